import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type BridgeVlan,
  bridgeVlanAdd,
  bridgeVlanDel,
  bridgeVlanList,
  linkList,
} from '../../../src/netlink/route/link.ts';
import { BRIDGE, indexOf, PORT, VETH } from '../../integration/netlink/link-witness.ts';
import { present, run, type WitnessCase, witness } from '../../integration/netlink/witness.ts';
import { useNetns } from '../../integration/netns-fixture.ts';

const FILTERING = [VETH, BRIDGE, PORT, 'ip link set br0 type bridge vlan_filtering 1'];

function added(title: string, vlans: readonly BridgeVlan[], ...theirs: string[]): WitnessCase {
  return {
    title,
    given: FILTERING,
    ours: (connection) =>
      bridgeVlanAdd(connection, { linkIndex: indexOf(connection, 'v0') }, vlans),
    theirs,
    shown: 'bridge -j -compressvlans vlan show',
  };
}

const cases: WitnessCase[] = [
  added('one', [{ vid: 10 }], 'bridge vlan add dev v0 vid 10'),
  added(
    'the one of untagged frames',
    [{ vid: 20, pvid: true, untagged: true }],
    'bridge vlan add dev v0 vid 20 pvid untagged',
  ),
  added(
    'ranges and one',
    [{ vid: 100, vidEnd: 199 }, { vid: 300, vidEnd: 399, untagged: true }, { vid: 4094 }],
    'bridge vlan add dev v0 vid 100-199',
    'bridge vlan add dev v0 vid 300-399 untagged',
    'bridge vlan add dev v0 vid 4094',
  ),
  {
    ...added('of the bridge itself', [], 'bridge vlan add dev br0 vid 5 self'),
    ours: (connection) =>
      bridgeVlanAdd(connection, { linkIndex: indexOf(connection, 'br0'), self: true }, [
        { vid: 5 },
      ]),
  },
  {
    ...added('taken away', [], 'bridge vlan del dev v0 vid 1', 'bridge vlan del dev v0 vid 12-15'),
    given: [...FILTERING, 'bridge vlan add dev v0 vid 10-20'],
    ours: (connection) =>
      bridgeVlanDel(connection, { linkIndex: indexOf(connection, 'v0') }, [
        { vid: 1 },
        { vid: 12, vidEnd: 15 },
      ]),
  },
];

describe('VLANs of a bridge', () => {
  witness('vm-vlan', cases, {
    seen: (connection) => {
      const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
      return [...bridgeVlanList(connection)].map(([index, vlans]) => ({
        ifname: names.get(index),
        vlans: vlans.map(({ vid, vidEnd, pvid, untagged }) => {
          const isRange = vidEnd !== vid;
          const flags = [...(pvid ? ['PVID'] : []), ...(untagged ? ['Egress Untagged'] : [])];
          return present({
            vlan: vid,
            vlanEnd: isRange ? vidEnd : undefined,
            flags: isRange || flags.length > 0 ? flags : undefined,
          });
        }),
      }));
    },
  });

  const fixture = useNetns('vm-vlan');

  it('refuse a number that no tag can hold', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of FILTERING) run(fixture, line);
    const place = { linkIndex: indexOf(connection, 'v0') };
    expect(() => bridgeVlanAdd(connection, place, [{ vid: 4095 }])).toThrow(
      /^add bridge VLANs 4095 of link 3: (EINVAL|ERANGE)/,
    );
  });
});
