import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/*
 * DEL of every plugin, in whatever state it finds the pod: it succeeds, also a second time, and nothing is
 * left of what ADD made, neither links nor addresses nor rules nor files. ipvlan has the same in test/vm.
 */

const node = useNetns('matrix');
const podName = `podwire-matrix-pod-${process.pid}`;
const podPath = `/run/netns/${podName}`;
const CONTAINER = 'matrix-container';
const HOST_PORT = 18_080;
let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-matrix-'));
  writeFileSync(join(dataDir, 'plain'), '');
  createNamedNetns(podPath);
  node.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'up1');
  node.exec('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'up0');
  node.exec('ip', 'link', 'set', 'up0', 'up');
});
afterEach(() => {
  deleteNamedNetns(podPath);
  rmSync(dataDir, { recursive: true, force: true });
});

type Json = Record<string, unknown>;

/** Plugins as a runtime chains them. */
interface Subject {
  readonly title: string;
  readonly chain: () => readonly Json[];
  /** The link that the pod's interface stands on, where there is one. */
  readonly master?: string;
  /** All of it is in the pod's namespace, and out of reach where that can't be found. */
  readonly isInPod?: boolean;
}

const hostLocal = (): Json => ({
  type: 'host-local',
  dataDir,
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
});
const base = { cniVersion: '1.1.0', name: 'net' };
const bridge = (more: Json = {}): Json => ({
  ...base,
  type: 'bridge',
  bridge: 'br0',
  isDefaultGateway: true,
  ipam: hostLocal(),
  ...more,
});
const ptp = (ipMasqBackend: string): Json => ({
  ...base,
  type: 'ptp',
  ipMasq: true,
  ipMasqBackend,
  ipam: hostLocal(),
});
const vxlan = (more: Json): Json => ({
  ...bridge(more),
  type: 'vxlan',
  id: 1,
  master: 'up0',
  network: ['10.1.0.0/16', 'fd00:1::/48'],
  peers: [{ subnet: '10.1.3.0/24', endpoint: '192.0.2.2' }],
});
const portmap = (more: Json = {}): Json => ({
  ...base,
  type: 'portmap',
  runtimeConfig: {
    portMappings: [
      { hostPort: HOST_PORT, containerPort: 80, protocol: 'tcp' },
      { hostPort: HOST_PORT, containerPort: 53, protocol: 'udp' },
    ],
  },
  ...more,
});
const addresses = [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }];

const SUBJECTS: readonly Subject[] = [
  { title: 'bridge', chain: () => [bridge()], master: 'br0' },
  { title: 'bridge without IPAM', chain: () => [bridge({ ipam: {} })], master: 'br0' },
  ...['nftables', 'iptables'].flatMap((backend): Subject[] => [
    { title: `ptp with ipMasq by ${backend}`, chain: () => [ptp(backend)] },
    {
      title: `vxlan with ipMasq by ${backend} and macspoofchk`,
      chain: () => [vxlan({ ipMasq: true, ipMasqBackend: backend, macspoofchk: true })],
      master: 'up0',
    },
    {
      title: `bridge with ipMasq by ${backend} and macspoofchk`,
      chain: () => [bridge({ ipMasq: true, ipMasqBackend: backend, macspoofchk: true })],
      master: 'br0',
    },
    {
      title: `portmap by ${backend} behind bridge`,
      chain: () => [bridge(), portmap({ backend })],
      master: 'br0',
    },
  ]),
  {
    title: 'bridge with static',
    chain: () => [bridge({ ipam: { type: 'static', addresses } })],
    master: 'br0',
  },
  {
    title: 'macvlan',
    chain: () => [{ ...base, type: 'macvlan', master: 'up0', ipam: hostLocal() }],
    master: 'up0',
    isInPod: true,
  },
  { title: 'loopback', chain: () => [{ ...base, type: 'loopback' }] },
  { title: 'host-local', chain: () => [{ ...base, type: 'host-local', ipam: hostLocal() }] },
  {
    title: 'static',
    chain: () => [{ ...base, type: 'static', ipam: { type: 'static', addresses } }],
  },
];

/** What a runtime knows at DEL, and what happened to the pod before. */
interface Cell {
  readonly title: string;
  readonly netns?: () => string;
  readonly happens?: (subject: Subject) => void;
  /** What the configuration of each plugin has by then. */
  readonly changes?: (config: Json) => Json;
}

const CELLS: readonly Cell[] = [
  { title: 'all is as it was' },
  { title: 'the namespace is empty', netns: () => '' },
  { title: 'the namespace is missing', netns: () => '/run/netns/podwire-none' },
  { title: 'the namespace is a plain file', netns: () => join(dataDir, 'plain') },
  {
    title: 'the namespace was deleted',
    happens: () => deleteNamedNetns(podPath),
  },
  {
    title: 'the interface is gone',
    happens: ({ title }) => {
      if (podLinks().includes('eth0')) inPod('ip', 'link', 'del', 'eth0');
      else expect(title).not.toMatch(/bridge|ptp|vxlan|macvlan/);
    },
  },
  {
    title: 'the master is gone',
    happens: ({ master }) => {
      if (master !== undefined) node.exec('ip', 'link', 'del', master);
    },
  },
  {
    title: 'there is no result, no ports, and the configuration says less',
    changes: ({ cniVersion, name, type, ipam }) => ({
      cniVersion,
      name,
      type,
      ...(ipam === undefined ? {} : { ipam }),
    }),
  },
];

function call(verb: string, config: Json, env: Record<string, string> = {}): PluginAnswer {
  return callPlugin(
    {
      type: `${config.type}`,
      verb,
      config,
      env: { CNI_CONTAINERID: CONTAINER, CNI_NETNS: podPath, ...env },
    },
    node.netns,
  );
}

/** ADD of the whole chain; gives the last result. */
function add(chain: readonly Json[]): Json | undefined {
  let prevResult: Json | undefined;
  for (const config of chain) {
    const { status, json } = call(
      'ADD',
      prevResult === undefined ? config : { ...config, prevResult },
    );
    expect([status, json.msg]).toEqual([0, undefined]);
    prevResult = json;
  }
  return prevResult;
}

function del(
  chain: readonly Json[],
  prevResult: Json | undefined,
  env: Record<string, string>,
): void {
  for (const config of chain.toReversed()) {
    expect(call('DEL', { ...config, prevResult }, env)).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
  }
}

const inPod = (...args: string[]): string => node.exec('ip', 'netns', 'exec', podName, ...args);
const linksOf = (text: string): string[] =>
  (JSON.parse(text) as { ifname: string }[]).map(({ ifname }) => ifname);
const podLinks = (): string[] => linksOf(inPod('ip', '-j', 'link'));

/** What is there of the pod outside of its namespace. */
function traces(): string[] {
  const rules = [
    node.exec('nft', 'list', 'ruleset'),
    node.exec('iptables-save'),
    node.exec('ip6tables-save'),
  ].flatMap((text) => text.split('\n'));
  const isOfPod = /matrix-container|CNI-(DN-)?[0-9a-f]{20}|10\.1\.2\.2\b|fd00:1::2\b|18080/;
  const network = join(dataDir, 'net');
  const files = existsSync(network) ? readdirSync(network) : [];
  return [
    ...linksOf(node.exec('ip', '-j', 'link')).filter(
      (name) => !/^(lo|br0|vxlan\.1|up[01])$/.test(name),
    ),
    ...rules.filter((line) => isOfPod.test(line)).map((line) => line.trim()),
    ...files.filter((name) => !/^(lock|last_reserved_ip\.[01])$/.test(name)),
  ];
}

describe.each(SUBJECTS)('DEL of $title', (subject) => {
  it.each(CELLS)('frees everything when $title', ({ netns, happens, changes }) => {
    const chain = subject.chain();
    const result = add(chain);
    happens?.(subject);
    const env = netns === undefined ? {} : { CNI_NETNS: netns() };
    const known = changes === undefined ? chain : chain.map(changes);
    for (let round = 0; round < 2; round += 1) {
      del(known, changes === undefined ? result : undefined, env);
      expect(traces()).toEqual([]);
    }
    const isOutOfReach = subject.isInPod === true && netns !== undefined;
    if (existsSync(podPath) && !isOutOfReach) expect(podLinks()).toEqual(['lo']);
  });

  it('of another container changes nothing', () => {
    const chain = subject.chain();
    const result = add(chain);
    const before = [traces(), podLinks()];
    if (!/^(loopback|static)$/.test(subject.title)) expect(before[0]).not.toEqual([]);
    // Its namespace is its own, and long gone.
    del(chain, result, { CNI_CONTAINERID: 'other', CNI_NETNS: '/run/netns/podwire-none' });
    expect([traces(), podLinks()]).toEqual(before);
  });
});
