import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { Random } from '../../fuzz/random.ts';
import { useNetns } from '../netns-fixture.ts';
import { ask, startEcho } from './echo-server.ts';
import { type PluginAnswer, startPlugin } from './plugin-fixture.ts';

/*
 * Plugins that are killed at any moment, as runtimes do that lose patience and nodes that lose power.
 * Whatever was under way, the next DEL and ADD of the same container succeed, and GC leaves what is valid
 * and nothing else. KILL_CALLS says how many verbs are called, KILL_SEED which.
 */

const CALLS = Number(process.env.KILL_CALLS ?? 1000);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 2 ** 32);
/** Runtimes call for different containers at once, for the same one never. */
const WORKERS = 4;
const GONE_POLL_MS = 20;

type Json = Record<string, unknown>;

const node = useNetns('kill');
const outside = useNetns('kill-out');
const podPath = (container: string): string =>
  `/run/netns/podwire-kill-${container}-${process.pid}`;
let dataDir: string;
let containers: string[] = [];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-kill-'));
  node.exec('ip', 'link', 'set', 'lo', 'up');
  node.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'up1', 'netns', outside.name);
  for (const [side, link, host] of [
    [node, 'up0', 1],
    [outside, 'up1', 2],
  ] as const) {
    side.exec('ip', 'addr', 'add', `192.0.2.${host}/24`, 'dev', link);
    side.exec('ip', 'link', 'set', link, 'up');
  }
});
afterEach(() => {
  for (const path of containers.map(podPath).filter(existsSync)) deleteNamedNetns(path);
  containers = [];
  rmSync(dataDir, { recursive: true, force: true });
});

/** A network as a runtime has it: a chain of plugins, the same for all of its containers. */
interface Network {
  readonly name: string;
  readonly ifName: string;
  readonly chain: (hostPort: number) => readonly Json[];
  readonly gateway: string;
}

const hostLocal = (subnet: string): Json => ({
  type: 'host-local',
  dataDir,
  ranges: [[{ subnet }]],
});
const portmap = (name: string, backend: string, hostPort: number): Json => ({
  cniVersion: '1.1.0',
  name,
  type: 'portmap',
  backend,
  runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
});

const bridged = (index: number, ipMasqBackend: string): Network => {
  const name = `kill-${ipMasqBackend}`;
  return {
    name,
    ifName: `eth${index}`,
    gateway: `10.20.${index}.1`,
    chain: (hostPort) => [
      {
        cniVersion: '1.1.0',
        name,
        type: 'bridge',
        bridge: `br${index}`,
        isGateway: true,
        isDefaultGateway: index === 0,
        ipMasq: true,
        ipMasqBackend,
        macspoofchk: true,
        hairpinMode: true,
        ipam: hostLocal(`10.20.${index}.0/24`),
      },
      portmap(name, ipMasqBackend, hostPort + index),
    ],
  };
};
const NFTABLES = bridged(0, 'nftables');
const IPTABLES = bridged(1, 'iptables');
const POINT_TO_POINT: Network = {
  name: 'kill-ptp',
  ifName: 'eth2',
  gateway: '10.20.2.1',
  chain: () => [
    {
      cniVersion: '1.1.0',
      name: 'kill-ptp',
      type: 'ptp',
      ipMasq: true,
      ipam: hostLocal('10.20.2.0/24'),
    },
  ],
};
const MACVLAN: Network = {
  name: 'kill-macvlan',
  ifName: 'eth3',
  gateway: '192.0.2.2',
  chain: () => [
    {
      cniVersion: '1.1.0',
      name: 'kill-macvlan',
      type: 'macvlan',
      master: 'up0',
      ipam: {
        type: 'host-local',
        dataDir,
        ranges: [[{ subnet: '192.0.2.0/24', rangeStart: '192.0.2.100' }]],
      },
    },
  ],
};

/** A container's interface on a network, and what is known of it. */
interface Attachment {
  readonly container: string;
  readonly network: Network;
  readonly hostPort: number;
  /** After a kill nobody knows. */
  state: 'absent' | 'present' | 'unknown';
  result: Json | undefined;
}

function attachments(): Attachment[] {
  const kinds = [[NFTABLES, IPTABLES], [NFTABLES, IPTABLES], [POINT_TO_POINT, NFTABLES], [MACVLAN]];
  const all = [...kinds, ...kinds].map((networks, index) => ({ container: `c${index}`, networks }));
  containers = all.map(({ container }) => container);
  for (const container of containers) createNamedNetns(podPath(container));
  return all.flatMap(({ container, networks }, index) =>
    networks.map((network) => ({
      container,
      network,
      hostPort: 8000 + 10 * index,
      state: 'absent' as const,
      result: undefined,
    })),
  );
}

/** How long a call of a plugin takes when nobody kills it. */
const usualMs = new Map<string, number>();

/** Calls a verb of the whole chain. With `random`, half of the plugins are killed at some moment. */
async function call(verb: string, one: Attachment, random?: Random): Promise<PluginAnswer> {
  const { network, container, hostPort } = one;
  const chain = network.chain(hostPort);
  let prevResult = verb === 'ADD' ? undefined : one.result;
  let answer: PluginAnswer | undefined;
  for (const config of verb === 'DEL' ? chain.toReversed() : chain) {
    const key = `${verb} ${config.type}`;
    const start = process.hrtime.bigint();
    // From about where Node is up to a little after the end.
    const killAfterMs =
      random === undefined || random.below(2) === 0
        ? undefined
        : ((usualMs.get(key) ?? 100) * (25 + random.below(85))) / 100;
    answer = await startPlugin(
      {
        type: `${config.type}`,
        verb,
        config: { ...config, prevResult },
        env: {
          PATH: process.env.PATH ?? '',
          CNI_CONTAINERID: container,
          CNI_NETNS: podPath(container),
          CNI_IFNAME: network.ifName,
        },
        killAfterMs,
      },
      node.netns,
    );
    if (answer.status !== 0) break;
    const tookMs = Number(process.hrtime.bigint() - start) / 1e6;
    usualMs.set(key, 0.8 * (usualMs.get(key) ?? tookMs) + 0.2 * tookMs);
    if (verb === 'ADD') prevResult = answer.json;
  }
  if (answer === undefined) throw new Error('an empty chain');
  if (verb === 'ADD' && answer.status === 0) one.result = answer.json;
  return answer;
}

/** What was left running by what was killed ends by itself. */
async function untilNobodyIsLeft(): Promise<void> {
  const inode = node.exec('readlink', '/proc/self/ns/net').trim();
  const isThere = (pid: string): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/ns/net`) === inode;
    } catch {
      return false;
    }
  };
  while (readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && isThere(entry))) {
    await sleep(GONE_POLL_MS);
  }
}

/** Everything of pods that the node has: links, rules, reservations. */
function traces(): string[] {
  const links = (JSON.parse(node.exec('ip', '-j', 'link')) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .filter((name) => !/^(lo|br[01]|up0)$/.test(name));
  const rules = ['nft list ruleset', 'iptables-save', 'ip6tables-save']
    .flatMap((command) => node.exec(...(command.split(' ') as [string])).split('\n'))
    .filter((line) => /10\.20\.\d+\.\d+|CNI-(DN-)?[0-9a-f]{20}|cni-br-iface|kill-/.test(line));
  const files = readdirSync(dataDir).flatMap((network) =>
    readdirSync(join(dataDir, network)).filter(
      (name) => !/^(lock|last_reserved_ip\.0)$/.test(name),
    ),
  );
  return [...links, ...rules.map((line) => line.trim()), ...files];
}

const podLinks = (container: string): string[] => {
  const text = node.exec('ip', '-n', podPath(container).slice('/run/netns/'.length), '-j', 'link');
  return (JSON.parse(text) as { ifname: string }[]).map(({ ifname }) => ifname);
};

/** The attachment is whole: CHECK says so, and packets do. */
async function expectWhole(one: Attachment): Promise<void> {
  const { container, network, hostPort } = one;
  const what = `${container} on ${network.name}`;
  const { status, json } = await call('CHECK', one);
  expect([what, status, json]).toEqual([what, 0, {}]);
  using netns = Netns.open(podPath(container));
  const ping = ['ping', '-c1', '-W2', '-I', network.ifName, network.gateway];
  const pod = podPath(container).slice('/run/netns/'.length);
  expect(node.exec('ip', 'netns', 'exec', pod, ...ping)).toContain('1 received');
  // The default route is on one of the networks, and answers from the pod go by it.
  if (network !== NFTABLES) return;
  await using _server = await startEcho(netns, container, 'tcp', 4, 80);
  expect(ask(outside.netns, 'tcp', '192.0.2.1', hostPort)).toBe(`${container} 192.0.2.2`);
}

async function step(one: Attachment, random: Random): Promise<boolean> {
  const verbs = { absent: ['ADD', 'ADD', 'DEL'], present: ['CHECK', 'DEL'], unknown: ['DEL'] };
  const verb = random.of(verbs[one.state]);
  const { status, json, stderr } = await call(verb, one, random);
  if (status === null) {
    if (verb !== 'CHECK') one.state = 'unknown';
    return true;
  }
  // Who is not killed succeeds, whatever was killed before.
  expect({ verb, at: `${one.container} ${one.network.name}`, status, json, stderr }).toMatchObject({
    status: 0,
  });
  if (verb !== 'CHECK') one.state = verb === 'ADD' ? 'present' : 'absent';
  return false;
}

async function gc(all: readonly Attachment[], killAfterMs?: number): Promise<void> {
  for (const network of [NFTABLES, IPTABLES, POINT_TO_POINT, MACVLAN]) {
    const valid = all
      .filter((one) => one.network === network && one.state === 'present')
      .map(({ container }) => ({ containerID: container, ifname: network.ifName }));
    for (const config of network.chain(0)) {
      const { status, json } = await startPlugin(
        {
          type: `${config.type}`,
          verb: 'GC',
          config: { ...config, 'cni.dev/valid-attachments': valid },
          env: { PATH: process.env.PATH ?? '' },
          killAfterMs,
        },
        node.netns,
      );
      if (killAfterMs === undefined) expect([status, json]).toEqual([0, {}]);
    }
  }
}

describe(`killed plugins, KILL_SEED=${SEED}`, () => {
  it(`leave nothing to GC that it does not find, after ${CALLS} calls`, {
    timeout: 900_000,
  }, async () => {
    const random = new Random(SEED);
    const all = attachments();
    const busy = new Set<string>();
    let calls = 0;
    let kills = 0;
    const work = async (): Promise<void> => {
      while (calls < CALLS) {
        calls += 1;
        const one = random.of(all.filter(({ container }) => !busy.has(container)));
        busy.add(one.container);
        if (await step(one, random)) kills += 1;
        busy.delete(one.container);
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    await untilNobodyIsLeft();
    // Some were killed in the middle, and some not.
    expect(kills).toBeGreaterThan(CALLS / 10);
    const present = all.filter(({ state }) => state === 'present');
    // A container of which nothing is valid is gone, namespace and all.
    for (const container of containers) {
      if (!present.some((one) => one.container === container)) deleteNamedNetns(podPath(container));
    }
    await gc(all, usualMs.get('DEL bridge'));
    await untilNobodyIsLeft();
    await gc(all);
    for (const one of present) await expectWhole(one);
    for (const container of containers.filter((each) => existsSync(podPath(each)))) {
      const valid = present.filter((one) => one.container === container);
      const names = valid.map(({ network }) => network.ifName).sort();
      expect(podLinks(container).sort()).toEqual([...names, 'lo']);
    }
    for (const one of present) await call('DEL', one);
    expect(traces()).toEqual([]);
  });

  it('stand in the way of no DEL and ADD', { timeout: 300_000 }, async () => {
    const random = new Random(SEED);
    const all = attachments();
    for (let round = 0; round < CALLS / 40; round += 1) {
      const one = random.of(all);
      for (const verb of ['ADD', 'DEL']) await call(verb, one, random);
      await untilNobodyIsLeft();
      const deleted = await call('DEL', one);
      expect([deleted.status, deleted.json, traces()]).toEqual([0, {}, []]);
      expect((await call('ADD', one)).status).toBe(0);
      await expectWhole(one);
      expect((await call('DEL', one)).status).toBe(0);
      expect([traces(), podLinks(one.container)]).toEqual([[], ['lo']]);
    }
  });
});
