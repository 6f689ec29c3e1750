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
 * VLANs of bridge, which the host's kernel may not have: what they do to packets, and the same answers
 * and the same state of the kernel as the reference, whichever side comes first.
 */

type Json = Record<string, unknown>;

const PODS = ['a', 'b', 'c'] as const;
type Pod = (typeof PODS)[number];

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
    return `/run/netns/${this.#name(name)}`;
  }

  #name(name: string): string {
    return `podwire-vlan-${name}-${process.pid}`;
  }

  exec(name: 'node' | Pod, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.#name(name), ...args], { encoding: 'utf8' });
  }

  call(side: Side, verb: string, more: Json, pod: Pod = 'a'): PluginAnswer {
    const { subnet = '10.1.2.0/24', l2 = false, ...rest } = more;
    const ipam = l2 === true ? {} : { type: 'host-local', dataDir: this.#dataDir, subnet };
    const base = { cniVersion: '1.1.0', name: 'net', type: 'bridge', bridge: 'br0' };
    const env = { CNI_CONTAINERID: pod, CNI_NETNS: this.#path(pod) };
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
    const names = new Map<unknown, string>();
    const nameOf = (name: unknown): string => {
      if (!/^veth[0-9a-f]{8}$/.test(String(name))) return String(name);
      const link = links.find(({ ifname }) => ifname === name);
      const peer = links.find(({ ifname }) => ifname === link?.link);
      return names.get(name) ?? `port of ${peer === undefined ? 'pod' : String(peer.ifname)}`;
    };
    const vlans = JSON.parse(this.exec('node', 'bridge', '-j', 'vlan', 'show')) as Json[];
    return {
      links: links
        .map((link) => ({
          name: nameOf(link.ifname),
          master: link.master,
          up: (link.flags as string[]).includes('UP'),
          kind: ((link.linkinfo ?? {}) as Json).info_kind,
          filtering: (((link.linkinfo ?? {}) as Json).info_data as Json | undefined)
            ?.vlan_filtering,
          addresses: (link.addr_info as Json[])
            .filter(({ family }) => family === 'inet')
            .map(({ local, prefixlen }) => `${String(local)}/${String(prefixlen)}`),
        }))
        .toSorted((x, y) => x.name.localeCompare(y.name)),
      vlans: vlans
        .map((each) => ({ name: nameOf(each.ifname), vlans: each.vlans }))
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
    expect(node.call('podwire', 'CHECK', { ...seven, prevResult: first.json }, 'a')).toMatchObject({
      status: 0,
      stdout: '',
    });
    for (const pod of ['a', 'b'] as const) {
      expect(node.call('podwire', 'DEL', seven, pod).status).toBe(0);
    }
    expect(node.call('podwire', 'DEL', eight, 'c').status).toBe(0);
  });

  it('of a trunk reach the pod tagged', () => {
    using node = new Node();
    const trunk = { l2: true, vlanTrunk: [{ id: 101 }, { minID: 200, maxID: 210 }] };
    expect(node.call('podwire', 'ADD', trunk, 'a').status).toBe(0);
    expect(node.call('podwire', 'ADD', trunk, 'b').status).toBe(0);
    for (const [pod, last] of [
      ['a', '1'],
      ['b', '2'],
    ] as const) {
      for (const vid of ['205', '300']) {
        const name = `eth0.${vid}`;
        node.exec(
          pod,
          'ip',
          'link',
          'add',
          'link',
          'eth0',
          'name',
          name,
          'type',
          'vlan',
          'id',
          vid,
        );
        node.exec(
          pod,
          'ip',
          'addr',
          'add',
          `10.${vid === '205' ? 5 : 6}.0.${last}/24`,
          'dev',
          name,
        );
        node.exec(pod, 'ip', 'link', 'set', name, 'up');
      }
    }
    expect(node.pings('a', '10.5.0.2')).toBe(true);
    expect(node.pings('a', '10.6.0.2')).toBe(false);
  });
});

const trunk = [{ id: 101 }, { minID: 200, maxID: 210 }];
const cases: readonly (readonly [string, Json])[] = [
  ['vlan', { vlan: 100 }],
  ['vlan without addresses', { vlan: 100, l2: true }],
  ['vlan with a gateway', { vlan: 100, isGateway: true, isDefaultGateway: true }],
  ['vlan, default kept', { vlan: 100, preserveDefaultVlan: true }],
  ['vlan, default removed', { vlan: 100, preserveDefaultVlan: false, isGateway: true }],
  ['trunk', { vlanTrunk: trunk, l2: true }],
  ['trunk, default kept', { vlanTrunk: trunk, l2: true, preserveDefaultVlan: true }],
  ['trunk, default removed', { vlanTrunk: trunk, l2: true, preserveDefaultVlan: false }],
  ['vlan and trunk', { vlan: 100, vlanTrunk: trunk, preserveDefaultVlan: false }],
  ['an empty trunk', { vlanTrunk: [], l2: true }],
];

describe('VLANs of bridge beside the reference', () => {
  beforeEach(({ skip }) => {
    const missing = peerMissing('cni-plugins');
    if (missing !== undefined) skip(missing);
  });

  it.each(cases)('%s', (_, more) => {
    const [ours, theirs] = (['podwire', 'reference'] as const).map((side) => {
      using node = new Node();
      const added = node.call(side, 'ADD', more);
      const state = node.state();
      const removed = node.call(side, 'DEL', more);
      const other = side === 'podwire' ? 'reference' : 'podwire';
      // The other side joins the same bridge, and its gateway.
      const joined = node.call(other, 'ADD', more, 'b').status;
      const left = node.call(side, 'DEL', more, 'b').status;
      return normalized({
        added: { status: added.status, json: added.json },
        state,
        removed: removed.status,
        joined,
        left,
        after: node.state(),
      });
    });
    expect(ours).toEqual(theirs);
  });
});
