import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RouteConnection } from '../../src/netlink/route/connection.ts';
import { linkList } from '../../src/netlink/route/link.ts';
import { createNamedNetns, deleteNamedNetns } from '../../src/sys/netns.ts';
import { callPlugin, type PluginAnswer } from '../integration/cni/plugin-fixture.ts';
import { useNetns } from '../integration/netns-fixture.ts';

/* The parts of podwire on a kernel that is not the host's, each by one case that uses all of it. */

const fixture = useNetns('vm-podwire');

interface IpLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address: string;
  readonly mtu: number;
  readonly linkinfo?: { readonly info_kind: string };
  readonly addr_info?: readonly { readonly local: string }[];
}

const ip = (...args: string[]): IpLink[] =>
  JSON.parse(fixture.exec('ip', '-j', '-d', ...args)) as IpLink[];

describe('netlink', () => {
  it('lists links of all kinds as ip(8) does', () => {
    fixture.exec('ip', 'link', 'add', 'd0', 'mtu', '1400', 'type', 'dummy');
    fixture.exec('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    fixture.exec('ip', 'link', 'add', 'b0', 'type', 'bridge', 'vlan_filtering', '1');
    fixture.exec('ip', 'link', 'add', 'vrf0', 'type', 'vrf', 'table', '10');
    fixture.exec('ip', 'link', 'add', 'link', 'd0', 'name', 'd0.5', 'type', 'vlan', 'id', '5');
    fixture.exec('ip', 'link', 'add', 'link', 'v0', 'name', 'i0', 'type', 'ipvlan');
    using connection = RouteConnection.open(fixture.netns);
    const ours = linkList(connection).map(({ index, name, kind, mac, mtu }) => {
      return { index, name, kind, mac: `${mac}`, mtu };
    });
    const theirs = ip('link').map(({ ifindex, ifname, linkinfo, address, mtu }) => {
      return { index: ifindex, name: ifname, kind: linkinfo?.info_kind, mac: address, mtu };
    });
    expect(ours).toEqual(theirs);
    expect(ours).toHaveLength(8);
  });
});

describe('bridge and host-local', () => {
  const pod = `podwire-vm-pod-${process.pid}`;
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'podwire-vm-'));
    createNamedNetns(`/run/netns/${pod}`);
  });
  afterEach(() => {
    deleteNamedNetns(`/run/netns/${pod}`);
    rmSync(dataDir, { recursive: true, force: true });
  });

  const call = (verb: string, config: object = {}): PluginAnswer =>
    callPlugin(
      {
        type: 'bridge',
        verb,
        config: {
          cniVersion: '1.1.0',
          name: 'net',
          type: 'bridge',
          bridge: 'br0',
          isDefaultGateway: true,
          ipam: {
            type: 'host-local',
            dataDir,
            ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
          },
          ...config,
        },
        env: { CNI_CONTAINERID: 'a', CNI_NETNS: `/run/netns/${pod}` },
      },
      fixture.netns,
    );

  it('wire a pod, find it well, and take it away', () => {
    const added = call('ADD');
    expect(added.json.ips).toMatchObject([
      { address: '10.1.2.2/24', gateway: '10.1.2.1' },
      { address: 'fd00:1::2/64', gateway: 'fd00:1::1' },
    ]);
    const [eth0] = ip('-n', pod, 'addr', 'show', 'eth0');
    const addresses = eth0?.addr_info?.map(({ local }) => local);
    expect(addresses).toEqual(expect.arrayContaining(['10.1.2.2', 'fd00:1::2']));
    fixture.exec('ip', 'netns', 'exec', pod, 'ping', '-c', '1', '-W', '10', '10.1.2.1');
    expect(call('CHECK', { prevResult: added.json })).toMatchObject({ status: 0, stdout: '' });
    expect(call('DEL', { prevResult: added.json })).toMatchObject({ status: 0, stdout: '' });
    expect(ip('-n', pod, 'link').map(({ ifname }) => ifname)).toEqual(['lo']);
    expect(readdirSync(join(dataDir, 'net'))).not.toContain('10.1.2.2');
  });
});
