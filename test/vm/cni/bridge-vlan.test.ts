import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { SIDES, type Side } from '../../conformance/cni/sides.ts';
import { callPlugin, type PluginAnswer } from '../../integration/cni/plugin-fixture.ts';
import { peerMissing } from '../../peers/peer.ts';

/*
 * VLANs of bridge, which the host's kernel may not have: what they do to packets, what CHECK finds, and
 * the same answers and state of the kernel as the reference, whichever side comes first.
 */

type Json = Record<string, unknown>;

const PODS = ['a', 'b', 'c'] as const;
type Pod = (typeof PODS)[number];

/** A node with three pods that both sides may work on. */
class Node {
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'podwire-vlan-'));
  readonly #netns: Netns;

  constructor() {
    for (const name of ['node', ...PODS]) createNamedNetns(this.#path(name));
    this.#netns = Netns.open(this.#path('node'));
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    for (const name of ['node', ...PODS]) deleteNamedNetns(this.#path(name));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #path(name: string): string {
    return `/run/netns/podwire-vlan-${name}-${process.pid}`;
  }

  exec(name: 'node' | Pod, ...args: string[]): string {
    using netns = Netns.open(this.#path(name));
    const [file = '', ...rest] = args;
    return netns.run(() => execFileSync(file, rest, { encoding: 'utf8' }));
  }

  call(side: Side, verb: string, more: Json, pod: Pod = 'a', ifName = 'eth0'): PluginAnswer {
    const { subnet = '10.1.2.0/24', l2 = false, ...rest } = more;
    const ipam = l2 === true ? {} : { type: 'host-local', dataDir: this.#dataDir, subnet };
    const base = { cniVersion: '1.1.0', name: 'net', type: 'bridge', bridge: 'br0' };
    const env = { CNI_CONTAINERID: pod, CNI_NETNS: this.#path(pod), CNI_IFNAME: ifName };
    const config = { ...base, ...rest, ipam };
    return callPlugin({ type: 'bridge', verb, bin: SIDES[side], config, env }, this.#netns);
  }

  pings(from: Pod, target: string): boolean {
    try {
      this.exec(from, 'ping', '-c1', '-W1', target);
      return true;
    } catch {
      return false;
    }
  }

  /** Links, and the VLANs of every port, by names that both sides share. */
  state(): unknown {
    const links = JSON.parse(this.exec('node', 'ip', '-j', '-d', 'addr')) as Json[];
    const nameOf = ({ ifname, link, link_netnsid: netns, master }: Json): string => {
      if (!/^veth[0-9a-f]{8}$/.test(String(ifname))) return String(ifname);
      // A port leads to a pod, or to the gateway of a VLAN.
      return `${String(master)}: ${netns === undefined ? String(link) : 'pod'}`;
    };
    const named = new Map(links.map((each) => [each.ifname, nameOf(each)]));
    const vlans = JSON.parse(this.exec('node', 'bridge', '-j', 'vlan', 'show')) as Json[];
    return {
      links: links
        .map((each) => ({
          name: nameOf(each),
          up: (each.flags as string[]).includes('UP'),
          filtering: ((each.linkinfo as Json | undefined)?.info_data as Json | undefined)
            ?.vlan_filtering,
          addresses: (each.addr_info as Json[])
            .filter(({ family }) => family === 'inet')
            .map(({ local, prefixlen }) => `${String(local)}/${String(prefixlen)}`),
        }))
        .toSorted((x, y) => x.name.localeCompare(y.name)),
      vlans: vlans
        .map((each) => ({ name: named.get(each.ifname) ?? '', vlans: each.vlans }))
        .toSorted((x, y) => x.name.localeCompare(y.name)),
    };
  }
}

const normalized = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value)
      .replaceAll(/"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"/g, '"mac"')
      .replaceAll(/veth[0-9a-f]{8}/g, 'veth'),
  );

describe('VLANs of bridge', () => {
  it('keep pods of different VLANs apart, with a gateway for each', () => {
    using node = new Node();
    const seven = { vlan: 7, isGateway: true };
    const eight = { vlan: 8, isGateway: true, subnet: '10.1.3.0/24', name: 'eight' };
    const first = node.call('podwire', 'ADD', seven, 'a');
    expect(first.json.interfaces).toMatchObject([
      { name: 'br0' },
      {},
      { name: 'eth0' },
      { name: 'br0.7' },
    ]);
    expect(node.call('podwire', 'ADD', seven, 'b').status).toBe(0);
    expect(node.call('podwire', 'ADD', eight, 'c').status).toBe(0);
    expect(node.pings('a', '10.1.2.1')).toBe(true);
    expect(node.pings('a', '10.1.2.3')).toBe(true);
    // On the wire, not by way of the node's routes.
    node.exec('c', 'ip', 'addr', 'add', '10.1.2.9/24', 'dev', 'eth0');
    expect(node.pings('a', '10.1.2.9')).toBe(false);
  });

  it('of a trunk reach the pod tagged, and its own VLAN untagged', () => {
    using node = new Node();
    // The reference would have the pod's own VLAN tagged, for it is in the trunk as well.
    const trunk = { vlan: 101, vlanTrunk: [{ id: 101 }, { minID: 200, maxID: 210 }] };
    const mtu = { mtu: 1300 };
    for (const pod of ['a', 'b'] as const) {
      expect(node.call('podwire', 'ADD', { ...trunk, ...mtu }, pod).status).toBe(0);
      const last = pod === 'a' ? 1 : 2;
      for (const vid of [205, 211]) {
        const [name, address] = [`eth0.${vid}`, `10.${vid}.0.${last}/24`];
        const type = ['type', 'vlan', 'id', `${vid}`];
        node.exec(pod, 'ip', 'link', 'add', 'link', 'eth0', 'name', name, ...type);
        node.exec(pod, 'ip', 'addr', 'add', address, 'dev', name);
        node.exec(pod, 'ip', 'link', 'set', name, 'up');
      }
    }
    expect(node.pings('a', '10.1.2.3')).toBe(true);
    expect(node.pings('a', '10.205.0.2')).toBe(true);
    expect(node.pings('a', '10.211.0.2')).toBe(false);
  });

  it('are all looked at by CHECK', () => {
    using node = new Node();
    const config = { vlan: 7, vlanTrunk: [{ minID: 20, maxID: 21 }], isGateway: true };
    const { json: prevResult } = node.call('podwire', 'ADD', config);
    const check = (): unknown => node.call('podwire', 'CHECK', { ...config, prevResult }).json.msg;
    expect(check()).toBeUndefined();
    const [, { name: port = '' } = {}] = prevResult.interfaces as { name?: string }[];
    const vlan = (...args: string[]): string => node.exec('node', 'bridge', 'vlan', ...args);
    vlan('add', 'dev', port, 'vid', '9');
    expect(check()).toBe(`interface "${port}" is in VLAN 9, expected it not to be`);
    vlan('del', 'dev', port, 'vid', '9');
    vlan('del', 'dev', port, 'vid', '21');
    expect(check()).toBe(`interface "${port}" is not in VLAN 21, expected tagged`);
    vlan('add', 'dev', port, 'vid', '21');
    vlan('add', 'dev', port, 'vid', '7');
    expect(check()).toBe(`interface "${port}" is tagged in VLAN 7, expected untagged`);
    vlan('add', 'dev', port, 'vid', '7', 'pvid', 'untagged');
    node.exec('node', 'ip', 'link', 'set', 'br0', 'type', 'bridge', 'vlan_filtering', '0');
    expect(check()).toBe(
      'bridge "br0" does not tell VLANs apart: expected vlan_filtering 1, got 0',
    );
    node.exec('node', 'ip', 'link', 'set', 'br0', 'type', 'bridge', 'vlan_filtering', '1');
    node.exec('node', 'ip', 'addr', 'flush', 'dev', 'br0.7');
    expect(check()).toBe('expected gateway address 10.1.2.1/24 on "br0.7"');
    const links = JSON.parse(node.exec('node', 'ip', '-j', 'link')) as Json[];
    const other = String(links.find(({ ifname }) => ifname === 'br0.7')?.link);
    node.exec('node', 'ip', 'link', 'set', other, 'nomaster');
    expect(check()).toBe(`interface "${other}" is not a port of "br0"`);
  });
});

const trunk = [{ id: 101 }, { minID: 200, maxID: 210 }];
/** Each one on a bridge of its own. */
const configs: readonly (readonly [string, readonly Json[]])[] = [
  [
    'with addresses',
    [
      { vlan: 100, isDefaultGateway: true, subnet: '10.1.0.0/24' },
      { vlan: 100, isGateway: true, preserveDefaultVlan: true, subnet: '10.1.1.0/24' },
      { vlan: 100, vlanTrunk: trunk, subnet: '10.1.2.0/24' },
    ],
  ],
  [
    'without addresses',
    [
      { vlanTrunk: trunk, l2: true },
      { vlanTrunk: trunk, l2: true, preserveDefaultVlan: true },
      { vlanTrunk: [], l2: true },
    ],
  ],
];

describe('VLANs of bridge beside the reference', () => {
  beforeEach(({ skip }) => {
    const missing = peerMissing('cni-plugins');
    if (missing !== undefined) skip(missing);
  });

  it.each(configs)('are the same %s, and what one side made the other one removes', (_, each) => {
    const [ours, theirs] = (['podwire', 'reference'] as const).map((side) => {
      using node = new Node();
      const other = side === 'podwire' ? 'reference' : 'podwire';
      const call = (by: Side, verb: string, index: number, pod: Pod = 'a'): PluginAnswer => {
        const config = { ...each[index], bridge: `br${index}`, name: `net${index}` };
        return node.call(by, verb, config, pod, `eth${index}`);
      };
      const added = each.map((_, index) => call(side, 'ADD', index).json);
      const state = node.state();
      const removed = each.map((_, index) => call(other, 'DEL', index).status);
      // The bridge stays, and the gateway of its VLAN where it has one; the other side joins both.
      const joined = call(other, 'ADD', 0, 'b').status;
      return normalized({ added, state, removed, joined, again: node.state() });
    });
    expect(ours).toMatchObject({ removed: each.map(() => 0), joined: 0 });
    expect(ours).toEqual(theirs);
  });
});
