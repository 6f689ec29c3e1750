import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { callPlugin, type PluginAnswer } from '../../integration/cni/plugin-fixture.ts';
import { needPeer, SIDES, type Side } from './sides.ts';

/*
 * The rules of bridge for `ipMasq` and `macspoofchk` beside the reference's: the same, to the letter
 * that nft(8) prints, and each side's DEL takes away what the other's ADD made.
 */

needPeer('cni-plugins');

/** A node, a pod and a data directory that both sides may work on. */
class Node {
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'podwire-peer-'));
  readonly #name = (what: string): string => `podwire-peer-masq-${what}-${process.pid}`;
  readonly #netns: Netns;

  constructor() {
    for (const what of ['node', 'pod']) createNamedNetns(`/run/netns/${this.#name(what)}`);
    this.#netns = Netns.open(`/run/netns/${this.#name('node')}`);
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    for (const what of ['node', 'pod']) deleteNamedNetns(`/run/netns/${this.#name(what)}`);
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  call(side: Side, verb: string, more: object, env: Record<string, string> = {}): PluginAnswer {
    const config = {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      bridge: 'br0',
      isGateway: true,
      ipam: {
        type: 'host-local',
        dataDir: this.#dataDir,
        ranges: [[{ subnet: '10.1.2.0/23' }], [{ subnet: 'fd00:1::/63' }]],
      },
      ...more,
    };
    const base = {
      CNI_CONTAINERID: 'a',
      CNI_NETNS: `/run/netns/${this.#name('pod')}`,
      // The reference runs nft(8) and iptables(8).
      PATH: process.env.PATH ?? '',
    };
    return callPlugin(
      { type: 'bridge', verb, bin: SIDES[side], config, env: { ...base, ...env } },
      this.#netns,
    );
  }

  rules(): string {
    return execFileSync(
      'ip',
      ['netns', 'exec', this.#name('node'), 'nft', '--debug=netlink', 'list', 'ruleset'],
      // nft(8) warns of every table that iptables(8) made.
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
  }
}

/** Names of veths and MAC addresses are each side's own, and so are the numbers of rules and of packets. */
function normalized(text: string): string {
  return text
    .replaceAll(/veth[0-9a-f]{8}/g, 'veth')
    .replaceAll(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'mac')
    .replaceAll(/^((?:inet|bridge|ip|ip6) \S+ \S+)(?: \d+)+ *$/gm, '$1')
    .replaceAll(/\[ cmp eq reg 1 0x68746576 .*\]/g, '[ veth ]')
    .replaceAll(/(payload load 6b .*\n) *\[ cmp eq reg 1 .*\]/g, '$1 [ mac ]')
    .replaceAll(/(counter packets |pkts )\d+ bytes \d+/g, 'counter');
}

/** The tables that are there, in an order of their own, without those that hold no rule. */
function tables(node: Node): string[] {
  return normalized(node.rules())
    .split(/^(?=table )/m)
    .filter((table) => table.startsWith('table '))
    .toSorted();
}

const SIDE_NAMES = ['podwire', 'reference'] as const;
const longId = 'c'.repeat(64);
interface Case {
  readonly title: string;
  readonly more: object;
  readonly env?: Record<string, string>;
}

const byNftables = { ipMasq: true, ipMasqBackend: 'nftables' };
const byIptables = { ipMasq: true, ipMasqBackend: 'iptables' };
const cases: readonly Case[] = [
  { title: 'nftables', more: byNftables },
  { title: 'iptables', more: byIptables },
  {
    title: 'nftables, a comment too long',
    more: { ...byNftables, name: 'n'.repeat(60) },
    env: { CNI_CONTAINERID: longId },
  },
  { title: 'iptables, a long id', more: byIptables, env: { CNI_CONTAINERID: longId } },
  { title: 'macspoofchk', more: { macspoofchk: true } },
  {
    title: 'macspoofchk, a long id',
    more: { macspoofchk: true },
    env: { CNI_CONTAINERID: longId, CNI_IFNAME: 'abcdefghijklmno' },
  },
  { title: 'everything', more: { ...byNftables, macspoofchk: true } },
];

describe('rules beside the reference', () => {
  it.each(cases)('$title', ({ more, env }) => {
    const [ours, theirs] = SIDE_NAMES.map((side) => {
      using node = new Node();
      const { status } = node.call(side, 'ADD', more, env);
      return { status, tables: tables(node) };
    });
    expect(ours?.tables).not.toEqual([]);
    expect(ours).toEqual(theirs);
  });

  it.each(cases.flatMap((each) => SIDE_NAMES.map((adds) => ({ ...each, adds }))))(
    '$title: what $adds made the other one removes',
    ({ adds, more, env }) => {
      using node = new Node();
      const removes = adds === 'podwire' ? 'reference' : 'podwire';
      expect(node.call(adds, 'ADD', more, env).status).toBe(0);
      expect(node.call(removes, 'DEL', more, env)).toMatchObject({ status: 0, stdout: '' });
      expect(node.rules()).not.toMatch(/10\.1\.|fd00:1:|CNI-[0-9a-f]|cni-br-iface|macspoofchk/);
      // Nor is it in the way of the next one.
      expect(node.call(removes, 'ADD', more, env).status).toBe(0);
    },
  );

  it('are all looked for by CHECK, whichever side made them', () => {
    using node = new Node();
    const added = node.call('reference', 'ADD', { ipMasq: true, macspoofchk: true });
    const conf = { ipMasq: true, macspoofchk: true, prevResult: added.json };
    expect(node.call('podwire', 'CHECK', conf)).toMatchObject({ status: 0, stdout: '' });
  });
});
