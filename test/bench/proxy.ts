import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rolldown } from 'rolldown';
import { generationGet, NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { chainList, elementList, setGet } from '../../src/netlink/nftables/list.ts';
import { sampleOf } from './measure.ts';
import { costOf } from './process-cost.ts';
import { KubeApi, type KubeMode, kubeMissing } from './proxy-kube.ts';
import { ENDPOINT_PORT, endpointAddress, manifestOf, type Size } from './proxy-objects.ts';
import { Room } from './proxy-room.ts';
import { type Grid, publish } from './report.ts';

/*
 * Services in the kernel: ours from manifests, beside the real kube-proxy with a real API server, each
 * in namespaces of its own. `--ours` leaves kube-proxy out, and what is in docs/performance.md alone.
 */

const SIZES: readonly (Size & { readonly peers: boolean })[] = [
  { services: 1_000, endpoints: 10, peers: true },
  { services: 5_000, endpoints: 10, peers: true },
  { services: 10_000, endpoints: 2, peers: true },
  { services: 10_000, endpoints: 10, peers: false },
  { services: 30_000, endpoints: 10, peers: false },
];
const ROUNDS = 3;
const CHANGES = 200;
const FILE_CHANGES = 20;
const PEER_CHANGES = 5;
const CONNECTS = 3_000;
/** Services in one manifest. One file has a single Service: that is the one that is written anew. */
const SERVICES_PER_FILE = 500;
const PEER_COMMIT_TIMEOUT_MS = 120_000;
const POLL_MS = 1;
/** Some backends commit in several transactions: what is quiet for so long is done. */
const QUIET_MS = 300;
/** kube-proxy waits this long between two syncs by default (minSyncPeriod); a single change doesn't. */
const PEER_PAUSE_MS = 1_500;
/** What the executable for nodes has inside (scripts/build.ts). */
const EXECUTABLE_ARGS = ['--no-warnings', '--max-semi-space-size=2'];

/** What one candidate came to at one size. Times in ms, connections in us, memory in MB. */
interface Figures {
  readonly committedMs: number;
  /** Ours alone: of that, from objects in the store. */
  readonly loadMs?: number;
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly peakMb: number;
  readonly serviceMs: readonly number[];
  readonly endpointMs: readonly number[];
  /** Ours alone: from a file in its place to the kernel. */
  readonly fileMs?: readonly number[];
  readonly connectUs: readonly number[];
  readonly directUs: readonly number[];
}

const oursAlone = process.argv.includes('--ours');
const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-proxy-'));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const now = (): number => performance.timeOrigin + performance.now();
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

async function bundle(): Promise<string> {
  const file = join(directory, 'serve.mjs');
  const input = join(import.meta.dirname, 'proxy-serve.ts');
  const result = await rolldown({ input, platform: 'node', logLevel: 'silent' });
  await result.write({ file, format: 'esm', codeSplitting: false });
  await result.close();
  return file;
}

/** Starts what stands for all endpoints, and waits until it listens. */
async function startServer(room: Room): Promise<ChildProcess> {
  const child = spawn(...room.server(), { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no output');
  await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return child;
}

/** All connections, through the rules and past them. That none fails shows that the rules are there. */
function connects(room: Room, { services }: Size): Pick<Figures, 'connectUs' | 'directUs'> {
  const directUs = room.connect([endpointAddress(0)], ENDPOINT_PORT, CONNECTS);
  return { connectUs: room.connectServices(services, CONNECTS), directUs };
}

function writeManifests(size: Size): string {
  const path = join(directory, `${size.services}-${size.endpoints}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'one.yaml'), manifestOf(0, 1, size));
  for (let first = 1; first < size.services; first += SERVICES_PER_FILE) {
    const last = Math.min(first + SERVICES_PER_FILE, size.services);
    writeFileSync(join(path, `from-${first}.yaml`), manifestOf(first, last, size));
  }
  return path;
}

async function runOurs(script: string, size: Size, isLast: boolean): Promise<Figures> {
  using room = new Room('ours');
  const server = await startServer(room);
  const manifests = writeManifests(size);
  const args = [...EXECUTABLE_ARGS, script, manifests, `${size.services}`, `${size.endpoints}`];
  const child = spawn(...room.enter('node', process.execPath, ...args), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    if (child.stdout === null) throw new Error('no output');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async <T>(): Promise<T> => JSON.parse(String((await lines.next()).value)) as T;
    const { readMs, committedMs } = await next<{ readMs: number; committedMs: number }>();
    const cost = costOf(child.pid ?? 0);
    const loaded = { committedMs, loadMs: committedMs - readMs, ...cost };
    if (!isLast) return { ...loaded, serviceMs: [], endpointMs: [], connectUs: [], directUs: [] };
    const ask = (kind: string, count: number): Promise<number[]> => {
      child.stdin?.write(`${JSON.stringify({ kind, count })}\n`);
      return next<number[]>();
    };
    const latencies = connects(room, size);
    const endpointMs = await ask('endpoint', CHANGES);
    const serviceMs = await ask('service', CHANGES);
    const fileMs = await changeFile(room, manifests, size);
    return { ...loaded, ...latencies, endpointMs, serviceMs, fileMs };
  } finally {
    child.kill();
    server.kill();
  }
}

/** How long it takes from a file that is in its place to the kernel's next generation of rules. */
async function changeFile(room: Room, manifests: string, size: Size): Promise<number[]> {
  const times: number[] = [];
  for (let moved = 1; moved <= FILE_CHANGES; moved += 1) {
    const temporary = join(manifests, '.one');
    writeFileSync(temporary, manifestOf(0, 1, size, moved + CHANGES));
    const start = now();
    renameSync(temporary, join(manifests, 'one.yaml'));
    times.push((await generationAfter(room, PEER_COMMIT_TIMEOUT_MS)) - start);
    await sleep(100);
  }
  return times;
}

/** When the rules' next change was seen, which others may follow. */
async function generationAfter(room: Room, timeoutMs: number): Promise<number> {
  using connection = NftablesConnection.open(room.netns);
  const before = generationGet(connection);
  const deadline = now() + timeoutMs;
  while (generationGet(connection) === before) {
    if (now() > deadline) throw new Error(`no change of the rules in ${timeoutMs} ms`);
    await sleep(POLL_MS);
  }
  return now();
}

/** When the last of the next changes that come together was seen, once what `isDone` asks for is there. */
async function settled(
  room: Room,
  isDone: (connection: NftablesConnection) => boolean = () => true,
): Promise<number> {
  using connection = NftablesConnection.open(room.netns);
  const deadline = now() + PEER_COMMIT_TIMEOUT_MS;
  let generation = generationGet(connection);
  let changedAt = now();
  let checked = true;
  for (;;) {
    const current = generationGet(connection);
    if (current !== generation) {
      generation = current;
      changedAt = now();
      checked = false;
    } else if (!checked && now() - changedAt > QUIET_MS) {
      checked = true;
      if (isDone(connection)) return changedAt;
    }
    if (now() > deadline) throw new Error(`not committed in ${PEER_COMMIT_TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
}

/** Whether kube-proxy's rules have so many Services. */
function hasServices(connection: NftablesConnection, mode: KubeMode, services: number): boolean {
  if (mode === 'iptables') {
    const chains = chainList(connection, { family: 'ip', name: 'nat' });
    return chains.filter(({ name }) => name.startsWith('KUBE-SVC-')).length >= services;
  }
  const table = { family: 'ip', name: 'kube-proxy' } as const;
  const map = setGet(connection, table, 'service-ips');
  return map !== undefined && elementList(connection, table, map).length >= services;
}

async function runPeer(mode: KubeMode, size: Size): Promise<Figures> {
  using room = new Room(mode);
  const server = await startServer(room);
  const files = mkdtempSync(join(directory, 'kube-'));
  try {
    using api = await KubeApi.start(files, room);
    await api.ask({ do: 'load', size });
    const committed = settled(room, (connection) => hasServices(connection, mode, size.services));
    const start = now();
    const child = api.proxy(mode);
    child.stdout?.resume();
    const committedMs = (await committed) - start;
    const cost = costOf(child.pid ?? 0);
    const latencies = connects(room, size);
    const change = async (what: Parameters<KubeApi['ask']>[0]): Promise<number> => {
      await sleep(PEER_PAUSE_MS);
      const end = settled(room);
      const at = now();
      await api.ask(what);
      return (await end) - at;
    };
    const endpointMs: number[] = [];
    const serviceMs: number[] = [];
    for (let at = 1; at <= PEER_CHANGES; at += 1) {
      endpointMs.push(await change({ do: 'endpoint', index: at * 7, size, moved: at }));
      serviceMs.push(await change({ do: 'service', index: size.services + at, size }));
    }
    return { committedMs, ...cost, ...latencies, endpointMs, serviceMs };
  } finally {
    server.kill();
    rmSync(files, { recursive: true, force: true });
  }
}

/** Those who run at a size, in this order; the rounds of ours are each a process of its own. */
async function measure(script: string, size: (typeof SIZES)[number]) {
  const results = new Map<string, Figures>();
  const rounds: Figures[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    rounds.push(await runOurs(script, size, round === ROUNDS));
  }
  const median = (of: (figures: Figures) => number): number => sampleOf('', rounds.map(of)).median;
  const last = rounds.at(-1);
  if (last === undefined) throw new Error('no round');
  results.set('podwire', {
    ...last,
    committedMs: median(({ committedMs }) => committedMs),
    loadMs: median(({ loadMs = Number.NaN }) => loadMs),
    cpuMs: median(({ cpuMs }) => cpuMs),
    rssMb: median(({ rssMb }) => rssMb),
    peakMb: median(({ peakMb }) => peakMb),
  });
  if (!size.peers || oursAlone || kubeMissing() !== undefined) return results;
  for (const mode of ['nftables', 'iptables'] as const) {
    results.set(`kube-proxy v1.36.3, ${mode}`, await runPeer(mode, size));
  }
  return results;
}

const nameOf = ({ services, endpoints }: Size): string =>
  `${services.toLocaleString('en')} x ${endpoints}`;
const at = (share: 'p50' | 'p99', values: readonly number[] | undefined): number | undefined => {
  if (values === undefined || values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[
    Math.min(sorted.length - 1, Math.floor((share === 'p50' ? 0.5 : 0.99) * sorted.length))
  ];
};

const begin = now();
try {
  const missing = oursAlone ? 'asked for ours alone' : kubeMissing();
  if (missing !== undefined) say(`skipped: kube-proxy: ${missing}`);
  const script = await bundle();
  const all: Map<string, Figures>[] = [];
  for (const size of SIZES) {
    const results = await measure(script, size);
    all.push(results);
    for (const [name, { committedMs, rssMb }] of results) {
      const [seconds, mb] = [(committedMs / 1000).toFixed(2), rssMb.toFixed(0)];
      say(`${nameOf(size)}: ${name}: committed in ${seconds} s, ${mb} MB`);
    }
  }
  const names = [...new Set(all.flatMap((results) => [...results.keys()]))];
  const grid = (
    title: string,
    unit: string,
    rows: readonly (readonly [string, (figures: Figures) => number | undefined])[],
  ): Grid => ({
    title,
    unit,
    sizes: SIZES.map(nameOf),
    rows: names.flatMap((name) =>
      rows
        .map(([what, of]) => ({
          name: what === '' ? name : `${name}, ${what}`,
          figures: all.map((results) => {
            const figures = results.get(name);
            return figures === undefined ? undefined : of(figures);
          }),
        }))
        .filter(({ figures }) => figures.some((figure) => figure !== undefined)),
    ),
  });
  const figure = (
    services: number,
    endpoints: number,
    of: (figures: Figures) => number | undefined,
  ) => {
    const index = SIZES.findIndex(
      (size) => size.services === services && size.endpoints === endpoints,
    );
    const figures = all[index]?.get('podwire');
    return (figures === undefined ? undefined : of(figures)) ?? Number.NaN;
  };
  publish({
    name: 'bench-proxy',
    tables: [],
    grids: [
      grid('from start to all rules committed', 's', [
        ['', ({ committedMs }) => committedMs / 1000],
        ['of that from objects in the store', ({ loadMs }) => loadMs && loadMs / 1000],
      ]),
      grid('CPU until then', 's', [['', ({ cpuMs }) => cpuMs / 1000]]),
      grid('resident memory', 'MB', [
        ['', ({ rssMb }) => rssMb],
        ['at most', ({ peakMb }) => peakMb],
      ]),
      grid('one endpoint changes, until it is committed', 'ms', [
        ['p50', ({ endpointMs }) => at('p50', endpointMs)],
        ['p99', ({ endpointMs }) => at('p99', endpointMs)],
        ['from its file, p50', ({ fileMs }) => at('p50', fileMs)],
      ]),
      grid('one Service is added, until it is committed', 'ms', [
        ['p50', ({ serviceMs }) => at('p50', serviceMs)],
        ['p99', ({ serviceMs }) => at('p99', serviceMs)],
      ]),
      grid('connect() through the rules', 'us', [
        ['p50', ({ connectUs }) => at('p50', connectUs)],
        ['p99', ({ connectUs }) => at('p99', connectUs)],
        ['without rules, p50', ({ directUs }) => at('p50', directUs)],
      ]),
    ],
    goals: [
      {
        text: '10,000 x 2 loaded from manifests, s',
        figure: figure(10_000, 2, ({ committedMs }) => committedMs / 1000),
        limit: 1,
      },
      {
        text: '30,000 x 10 loaded from manifests, s',
        figure: figure(30_000, 10, ({ committedMs }) => committedMs / 1000),
        limit: 3,
      },
      {
        text: '30,000 x 10 loaded from objects in the store, s',
        figure: figure(30_000, 10, ({ loadMs }) => loadMs && loadMs / 1000),
        limit: 3,
      },
      {
        text: '99 of 100 changes at 30,000 x 10, from event to commit, ms',
        figure: figure(30_000, 10, ({ endpointMs }) => at('p99', endpointMs)),
        limit: 2,
      },
      {
        text: 'MB at 10,000 x 2',
        figure: figure(10_000, 2, ({ rssMb }) => rssMb),
        limit: 120,
      },
      {
        text: 'MB at 10,000 x 10',
        figure: figure(10_000, 10, ({ rssMb }) => rssMb),
        limit: 250,
      },
      {
        text: 'time to connect at 30,000 Services beside that at 1,000',
        figure:
          (figure(30_000, 10, ({ connectUs }) => at('p50', connectUs)) -
            figure(30_000, 10, ({ directUs }) => at('p50', directUs))) /
          (figure(1_000, 10, ({ connectUs }) => at('p50', connectUs)) -
            figure(1_000, 10, ({ directUs }) => at('p50', directUs))),
        limit: 1.5,
      },
    ],
  });
  say(`It took ${((now() - begin) / 1000).toFixed(0)} s.`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
