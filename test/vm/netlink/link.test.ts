import { describe } from 'vitest';
import { linkSet } from '../../../src/netlink/route/link.ts';
import {
  BRIDGE,
  indexOf,
  linkComparison,
  made,
  PORT,
  VETH,
} from '../../integration/netlink/link-witness.ts';
import { witness } from '../../integration/netlink/witness.ts';

describe('a link of a kind not every kernel has', () => {
  witness(
    'vm-link',
    [
      made('dummy', { name: 'x', kind: 'dummy', mtu: 9000 }, 'mtu 9000 type dummy'),
      made(
        'vlan',
        { name: 'x', kind: 'vlan', linkIndex: 3, vlan: { id: 100 } },
        'link v0 type vlan id 100',
        [VETH],
      ),
      made(
        'vlan with all its settings',
        {
          name: 'x',
          kind: 'vlan',
          linkIndex: 3,
          vlan: {
            id: 4094,
            protocol: '802.1ad',
            flags: { reorderHdr: false, gvrp: true, looseBinding: true },
            ingressQos: { mapping: [{ from: 1, to: 2 }] },
            egressQos: { mapping: [{ from: 3, to: 4 }] },
          },
        },
        'link v0 type vlan protocol 802.1ad id 4094 reorder_hdr off gvrp on loose_binding on ingress-qos-map 1:2 egress-qos-map 3:4',
        [VETH],
      ),
      ...(['l2', 'l3', 'l3s'] as const).map((mode) =>
        made(
          `ipvlan of mode ${mode}`,
          { name: 'x', kind: 'ipvlan', linkIndex: 3, ipvlan: { mode } },
          `link v0 type ipvlan mode ${mode}`,
          [VETH],
          { hasMac: false },
        ),
      ),
      ...(['private', 'vepa'] as const).map((flag) =>
        made(
          `ipvlan that is ${flag}`,
          { name: 'x', kind: 'ipvlan', linkIndex: 3, ipvlan: { mode: 'l2', flags: [flag] } },
          `link v0 type ipvlan mode l2 ${flag}`,
          [VETH],
          { hasMac: false },
        ),
      ),
      made('vrf', { name: 'x', kind: 'vrf', vrf: { table: 1001 } }, 'type vrf table 1001'),
      {
        title: 'a link of a vrf',
        given: [VETH, 'ip link add name red type vrf table 12'],
        link: 'v0',
        ours: (connection) =>
          linkSet(connection, indexOf(connection, 'v0'), { master: indexOf(connection, 'red') }),
        theirs: ['ip link set v0 master red'],
        shown: 'ip -j -d link show dev v0',
      },
      made(
        'bridge that filters by VLAN',
        {
          name: 'x',
          kind: 'bridge',
          bridge: {
            vlanFiltering: true,
            vlanProtocol: '802.1ad',
            vlanDefaultPvid: 7,
            vlanStatsEnabled: true,
            vlanStatsPerPort: true,
            options: { mcastVlanSnooping: true },
          },
        },
        'type bridge vlan_filtering 1 vlan_protocol 802.1ad vlan_default_pvid 7 vlan_stats_enabled 1 vlan_stats_per_port 1 mcast_vlan_snooping 1',
      ),
      {
        title: 'a bridge told to filter, and to have no VLAN by default',
        given: [BRIDGE, VETH, PORT],
        link: 'br0',
        ours: (connection) =>
          linkSet(connection, indexOf(connection, 'br0'), {
            bridge: { vlanFiltering: true, vlanDefaultPvid: 0 },
          }),
        theirs: ['ip link set br0 type bridge vlan_filtering 1 vlan_default_pvid 0'],
        shown: 'ip -j -d link show dev br0',
      },
    ],
    linkComparison,
  );
});
