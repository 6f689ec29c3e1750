import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { type NetnsFixture, useNetns } from '../netns-fixture.ts';
import { callPlugin, type PluginAnswer, startPlugin } from './plugin-fixture.ts';

export type Json = Record<string, unknown>;
export type NodeNumber = 1 | 2 | 3;
type Env = Readonly<Record<string, string>>;

export const NODES = [1, 2, 3] as const;
export const success = { status: 0, stdout: '', stderr: '' };

/** ip(8), with commands on its standard input. */
const BATCH = ['ip', '-batch', '-'] as const;

/** What the addresses of the nodes on the underlay begin with. */
const UNDERLAY = { 4: '192.0.2.', 6: '2001:db8::' } as const;

/** The entries of a list of all nodes that are about one. */
export const entriesOf = (node: NodeNumber, family: 4 | 6 = 4): Json[] =>
  [`10.244.${node}.0/24`, `fd00:244:0:${node}::/64`].map((subnet) => ({
    subnet,
    endpoint: `${UNDERLAY[family]}${node}`,
  }));

/**
 * Three nodes on one wire, `up0` of each with 192.0.2.N and 2001:db8::N, and a pod for each, whose
 * subnets are 10.244.N.0/24 and fd00:244:0:N::/64. Plugins, programs and packets are real.
 */
export interface VxlanFixture {
  readonly node: (node: NodeNumber) => NetnsFixture;
  /** The bridge that joins the nodes. */
  readonly wire: NetnsFixture;
  /** A directory of the test's own. */
  readonly path: (name: string) => string;
  readonly podPath: (node: NodeNumber) => string;
  /** A configuration of the node, with `more` in place of what it has. */
  readonly config: (node: NodeNumber, more?: Json) => Json;
  readonly call: (node: NodeNumber, verb: string, config: Json, env?: Env) => PluginAnswer;
  readonly start: (
    node: NodeNumber,
    verb: string,
    config: Json,
    env?: Env,
  ) => Promise<PluginAnswer>;
  /** Runs a program in the node's pod and gives its output, also of one that fails. */
  readonly inPod: (node: NodeNumber, ...command: string[]) => string;
  /** Whether the node's pod gets an answer. */
  readonly reaches: (node: NodeNumber, ...args: string[]) => boolean;
  /** What leads to other nodes, a line each in order, as ip(8) and bridge(8) tell it. */
  readonly overlay: (node: NodeNumber) => string[];
  /** The pods' other ends on the node, as `ip -br link` has them. */
  readonly hostEnds: (node: NodeNumber) => string[];
  /** The addresses host-local has given on the node. */
  readonly reservations: (node: NodeNumber) => string[];
}

/**
 * Makes all of it before each test, or some of the nodes where the others are not looked at; `tag`
 * keeps files apart.
 */
export function useOverlay(tag: string, present: readonly NodeNumber[] = NODES): VxlanFixture {
  const wire = useNetns(`${tag}-wire`);
  const nodes = new Map(present.map((each) => [each, useNetns(`${tag}-${each}`)]));
  const nodeOf = (node: NodeNumber): NetnsFixture => {
    const found = nodes.get(node);
    if (found === undefined) throw new Error(`the test has no node ${node}`);
    return found;
  };
  const podName = (node: NodeNumber): string => `podwire-${tag}-pod-${node}-${process.pid}`;
  const podPath = (node: NodeNumber): string => `/run/netns/${podName(node)}`;
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), `podwire-${tag}-`));
    wire.exec('ip', 'link', 'add', 'wire', 'up', 'type', 'bridge');
    for (const [node, fixture] of nodes) {
      createNamedNetns(podPath(node));
      const port = `port${node}`;
      wire.execInput(
        `link add ${port} type veth peer up0 netns ${fixture.name}
         link set ${port} master wire up`,
        ...BATCH,
      );
      fixture.execInput(
        `addr add 192.0.2.${node}/24 dev up0
         addr add 2001:db8::${node}/64 dev up0 nodad
         link set up0 up`,
        ...BATCH,
      );
    }
  });
  afterEach(() => {
    for (const node of present) deleteNamedNetns(podPath(node));
    rmSync(directory, { recursive: true, force: true });
  });
  const path = (name: string): string => join(directory, name);
  const request = (node: NodeNumber, verb: string, config: Json, env: Env) => ({
    type: 'vxlan',
    verb,
    config,
    env: { CNI_CONTAINERID: 'a', CNI_NETNS: podPath(node), ...env },
  });
  const inPod = (node: NodeNumber, ...[file = '', ...args]: string[]): string => {
    using pod = Netns.open(podPath(node));
    return pod.run(() => {
      const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
      return `${stdout}${stderr}`;
    });
  };
  return {
    node: nodeOf,
    wire,
    path,
    podPath,
    config: (node, more = {}) => ({
      cniVersion: '1.1.0',
      name: 'overlay',
      type: 'vxlan',
      local: `192.0.2.${node}`,
      bridge: 'br0',
      peers: NODES.flatMap((each) => entriesOf(each)),
      ipam: {
        type: 'host-local',
        dataDir: path(`node-${node}`),
        ranges: [[{ subnet: `10.244.${node}.0/24` }], [{ subnet: `fd00:244:0:${node}::/64` }]],
      },
      ...more,
    }),
    call: (node, verb, config, env = {}) =>
      callPlugin(request(node, verb, config, env), nodeOf(node).netns),
    start: (node, verb, config, env = {}) =>
      startPlugin(request(node, verb, config, env), nodeOf(node).netns),
    inPod,
    reaches: (node, ...args) => inPod(node, 'ping', '-c1', '-W2', ...args).includes('1 received'),
    overlay: (node) =>
      [
        ['ip', '-4', '-d', 'route', 'show', 'dev', 'vxlan.1', 'proto', '112'],
        ['ip', '-6', '-d', 'route', 'show', 'dev', 'vxlan.1', 'proto', '112'],
        ['ip', '-d', 'neigh', 'show', 'dev', 'vxlan.1', 'nud', 'permanent'],
        ['bridge', 'fdb', 'show', 'dev', 'vxlan.1'],
      ]
        .flatMap(([file = '', ...args]) =>
          nodeOf(node)
            .exec(file, ...args)
            .split('\n'),
        )
        .map((line) => line.trim())
        .filter((line) => line !== '')
        .toSorted(),
    hostEnds: (node) =>
      nodeOf(node)
        .exec('ip', '-br', 'link', 'show', 'type', 'veth')
        .split('\n')
        .filter((line) => line.startsWith('veth')),
    reservations: (node) => {
      const store = path(`node-${node}/overlay`);
      const files = existsSync(store) ? readdirSync(store) : [];
      return files.filter((file) => !/^(lock|last)/.test(file));
    },
  };
}
