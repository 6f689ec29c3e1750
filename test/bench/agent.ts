import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { elementList, setGet } from '../../src/netlink/nftables/list.ts';
import { peerMissing, peerProgram } from '../peers/peer.ts';
import type { Answered } from './agent-probe.ts';
import type { Stall } from './agent-stalls.ts';
import { costOf, type ProcessCost } from './process-cost.ts';
import { KubeApi, kubeMissing } from './proxy-kube.ts';
import { NODE_NAME, type Size } from './proxy-objects.ts';
import { Room } from './proxy-room.ts';
import { type Goal, publish } from './report.ts';

/*
 * The agent of a node beside kube-proxy and CoreDNS, by one real API server: what they take in memory, and how
 * long it takes from their start until the kernel and DNS have all Services. Then the same start of ours alone,
 * after a reboot, with the API server away.
 */

const SIZES: readonly Size[] = [
  { services: 0, endpoints: 0 },
  { services: 1_000, endpoints: 2 },
  { services: 10_000, endpoints: 10 },
  // The last is the one with which the node is started again.
  { services: 10_000, endpoints: 2 },
];
const COREFILE = join(import.meta.dirname, '../../examples/kubeadm/Corefile');
const AGENT = join(import.meta.dirname, '../../dist/podwire');
const HEALTH_PORT = 10256;
const READY_TIMEOUT_MS = 180_000;
const POLL_MS = 20;
/** Garbage of the start is collected by then, by all of them. */
const REST_MS = 15_000;
const STALL_MARGIN_MS = 2;
const STALL_MS_MAX = 20;
const SHARE_MAX = 0.4;
const SHARE_FROM_SERVICES = 10_000;
const REBOOT_SECONDS_MAX = 2;

/** What those who run came to: memory at rest in MB, and from their start until all was there, in s. */
interface Figures {
  readonly rssMb: number;
  readonly cpuSeconds: number;
  readonly rulesSeconds: number;
  readonly nameSeconds: number;
  readonly healthSeconds?: number | undefined;
}

/** The longest times in which the main thread of the agent serves nobody, in ms. */
interface Stalls {
  /** While Services are read and planned. */
  readonly readMs: number;
  /** While the rules of all are written: one transaction. */
  readonly commitMs: number;
  /** While memory is given back. */
  readonly afterMs: number;
}

/** Which map of which table holds a cluster IP and port for each Service. */
interface Place {
  readonly table: string;
  readonly map: string;
}

const OURS: Place = { table: 'podwire', map: 'cluster-ips' };
const KUBE_PROXY: Place = { table: 'kube-proxy', map: 'service-ips' };

const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-agent-'));
const savedState = join(directory, 'state.json');
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

/** When the map has so many elements (Date.now). */
async function hasRules(room: Room, { table, map }: Place, services: number): Promise<number> {
  using connection = NftablesConnection.open(room.netns);
  const place = { family: 'ip', name: table } as const;
  for (const deadline = Date.now() + READY_TIMEOUT_MS; Date.now() < deadline; ) {
    const found = setGet(connection, place, map);
    if (found !== undefined && elementList(connection, place, found).length >= services) {
      return Date.now();
    }
    await pause(POLL_MS);
  }
  throw new Error(`${table} has not ${services} Services after ${READY_TIMEOUT_MS} ms`);
}

async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  return text;
}

async function end(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
}

/** Starts programs and waits until they serve so many Services; then what they take. They run on. */
async function start(
  room: Room,
  api: KubeApi,
  { services }: Size,
  place: Place,
  open: () => readonly ChildProcess[],
): Promise<readonly [Figures, readonly ChildProcess[]]> {
  const name =
    services === 0 ? 'kubernetes.default' : `service-${services - 1}.team-${(services - 1) % 20}`;
  const script = join(import.meta.dirname, 'agent-probe.ts');
  const isOurs = place === OURS;
  const asks = [`${name}.svc.cluster.local`, ...(isOurs ? [String(HEALTH_PORT)] : [])];
  const probe = output(api.run(process.execPath, '--no-warnings', script, ...asks));
  const begin = Date.now();
  const children = open();
  for (const child of children) child.stdout?.resume();
  // The API server's own is one more.
  const rulesMs = await hasRules(room, place, services + 1);
  const { nameMs, healthMs } = JSON.parse(await probe) as Answered;
  await pause(REST_MS);
  const costs = children.map(({ pid }) => costOf(pid ?? 0));
  const sum = (of: (cost: ProcessCost) => number): number =>
    costs.reduce((total, cost) => total + of(cost), 0);
  const seconds = (ms: number): number => (ms - begin) / 1000;
  const figures = {
    rssMb: sum(({ rssMb }) => rssMb),
    cpuSeconds: sum(({ cpuMs }) => cpuMs) / 1000,
    rulesSeconds: seconds(rulesMs),
    nameSeconds: seconds(nameMs),
    healthSeconds: healthMs === undefined ? undefined : seconds(healthMs),
  };
  return [figures, children];
}

function ours(api: KubeApi): readonly ChildProcess[] {
  const flags = ['--hostname-override', NODE_NAME, '--corefile', COREFILE];
  const source = ['--kubeconfig', api.kubeconfig, '--saved-state', savedState];
  return [api.run(AGENT, 'agent', ...flags, ...source)];
}

function theirs(api: KubeApi): readonly ChildProcess[] {
  const corefile = join(directory, 'Corefile');
  const access = `kubeconfig ${api.kubeconfig} bench\n       pods insecure`;
  writeFileSync(corefile, readFileSync(COREFILE, 'utf8').replace('pods insecure', access));
  return [api.proxy('nftables'), api.run(peerProgram('coredns', 'coredns'), '-conf', corefile)];
}

/** What an agent logs of a time, by its message (Date.now). */
function logged(log: string, message: string): number {
  const line = log.split('\n').find((each) => each.includes(`"msg":"${message}"`));
  if (line === undefined) throw new Error(`the agent never said "${message}"`);
  return Date.parse((JSON.parse(line) as { time: string }).time);
}

/** The longest times in ms in which the main thread served nobody, from the sources, for it is asked inside. */
async function stalls(room: Room, api: KubeApi, size: Size): Promise<Stalls> {
  const log = join(directory, 'stalls.log');
  const inside = join(import.meta.dirname, 'agent-stalls.ts');
  const entry = join(import.meta.dirname, '../../src/entry.ts');
  const flags = ['--no-warnings', '--max-semi-space-size=2', '--import', inside, entry, 'agent'];
  const source = ['--kubeconfig', api.kubeconfig, '--saved-state=', '--log-level=debug'];
  const own = [process.execPath, ...flags, '--hostname-override', NODE_NAME, ...source];
  const child = api.run('sh', '-c', 'exec "$@" 2>"$0"', log, ...own);
  const printed = output(child);
  await hasRules(room, OURS, size.services + 1);
  await pause(REST_MS);
  await end([child]);
  const text = readFileSync(log, 'utf8');
  const [readyMs, readMs] = [logged(text, 'ready'), logged(text, 'the API server was read')];
  const rulesMs = logged(text, 'rules changed');
  const all = (await printed)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Stall);
  const longest = (from: number, to: number): number =>
    Math.max(
      0,
      ...all.filter(({ sinceMs }) => sinceMs >= from && sinceMs < to).map(({ ms }) => ms),
    );
  // Of the last piece that puts objects into the store the end is logged.
  const last = readMs - STALL_MARGIN_MS;
  return {
    readMs: longest(readyMs, last),
    commitMs: longest(last, rulesMs),
    afterMs: longest(rulesMs, Number.POSITIVE_INFINITY),
  };
}

function forget(room: Room): void {
  execFileSync(...room.enter('node', 'nft', 'flush', 'ruleset'));
}

const nameOf = ({ services, endpoints }: Size): string =>
  services === 0 ? 'none' : `${services.toLocaleString('en')} x ${endpoints}`;

const missing = kubeMissing() ?? peerMissing('coredns');
if (missing !== undefined) throw new Error(`make bench-agent needs its peers: ${missing}`);
const begin = performance.now();
using room = new Room('agent');
try {
  const files = mkdtempSync(join(directory, 'kube-'));
  using api = await KubeApi.start(files, room);
  const results: { readonly ours: Figures; readonly theirs: Figures }[] = [];
  for (const size of SIZES) {
    await api.ask({ do: 'store', size });
    rmSync(savedState, { force: true });
    const [own, agent] = await start(room, api, size, OURS, () => ours(api));
    // What is known is on the disk once it has ended.
    await end(agent);
    forget(room);
    const [peers, children] = await start(room, api, size, KUBE_PROXY, () => theirs(api));
    await end(children);
    forget(room);
    results.push({ ours: own, theirs: peers });
    for (const [who, figures] of Object.entries({
      podwire: own,
      'kube-proxy and CoreDNS': peers,
    })) {
      const { rssMb, rulesSeconds, nameSeconds, cpuSeconds } = figures;
      const [rules, names, cpu] = [rulesSeconds, nameSeconds, cpuSeconds].map((s) => s.toFixed(2));
      const times = `rules in ${rules} s, DNS in ${names} s, CPU ${cpu} s`;
      say(`${nameOf(size)}: ${who}: ${rssMb.toFixed(0)} MB, ${times}`);
    }
  }
  const last = SIZES.at(-1) ?? { services: 0, endpoints: 0 };
  const stalled = await stalls(room, api, last);
  forget(room);
  api.stop();
  const [reboot, agent] = await start(room, api, last, OURS, () => ours(api));
  await end(agent);
  const grid = (title: string, unit: string, of: (figures: Figures) => number | undefined) => ({
    title,
    unit,
    sizes: SIZES.map(nameOf),
    rows: [
      { name: 'podwire', figures: results.map((each) => of(each.ours)) },
      {
        name: 'kube-proxy, nftables, and CoreDNS',
        figures: results.map((each) => of(each.theirs)),
      },
    ],
  });
  const goals = SIZES.flatMap((size, index): Goal[] => {
    const each = results[index];
    // Without many Services it is the runtime that is compared.
    if (each === undefined || size.services < SHARE_FROM_SERVICES) return [];
    const figure = each.ours.rssMb / each.theirs.rssMb;
    return [{ text: `memory beside theirs at ${nameOf(size)}`, figure, limit: SHARE_MAX }];
  });
  publish({
    name: 'bench-agent',
    tables: [],
    grids: [
      grid('resident memory at rest', 'MB', ({ rssMb }) => rssMb),
      grid('from start to all rules committed', 's', ({ rulesSeconds }) => rulesSeconds),
      grid('from start to the last name answered', 's', ({ nameSeconds }) => nameSeconds),
      grid('CPU until at rest', 's', ({ cpuSeconds }) => cpuSeconds),
      {
        title: 'podwire after a reboot, without its API server',
        unit: 's from start',
        sizes: [nameOf(last)],
        rows: [
          { name: 'all rules committed', figures: [reboot.rulesSeconds] },
          { name: 'the last name answered', figures: [reboot.nameSeconds] },
          { name: 'healthz answers 200', figures: [reboot.healthSeconds] },
        ],
      },
      {
        title: "longest time in which podwire's main thread serves nobody",
        unit: 'ms',
        sizes: [nameOf(last)],
        rows: [
          { name: 'while Services are read and planned', figures: [stalled.readMs] },
          {
            name: 'while the rules of all are written, in one transaction',
            figures: [stalled.commitMs],
          },
          { name: 'after that, once: memory is given back', figures: [stalled.afterMs] },
        ],
      },
    ],
    goals: [
      ...goals,
      {
        text: `longest time without a turn for others while ${nameOf(last)} are read, ms`,
        figure: stalled.readMs,
        limit: STALL_MS_MAX,
      },
      {
        text: 'after a reboot, without the API server, until all works, s',
        figure: Math.max(
          reboot.rulesSeconds,
          reboot.nameSeconds,
          reboot.healthSeconds ?? Number.NaN,
        ),
        limit: REBOOT_SECONDS_MAX,
      },
    ],
  });
  say(`It took ${((performance.now() - begin) / 1000).toFixed(0)} s.`);
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
