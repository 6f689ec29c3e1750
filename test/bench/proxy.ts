import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rolldown } from 'rolldown';
import type { ProxyMode } from '../../src/agent/kube-proxy/settings.ts';
import { sampleOf } from './measure.ts';
import { costOf, type ProcessCost } from './process-cost.ts';
import { measureByApi } from './proxy-by-api.ts';
import {
  at,
  connects,
  EXECUTABLE_ARGS,
  type Figures,
  generationAfter,
  now,
  REST_MS,
  sleep,
} from './proxy-figures.ts';
import { kubeMissing } from './proxy-kube.ts';
import { manifestOf, type Size } from './proxy-objects.ts';
import { Room } from './proxy-room.ts';
import { type Grid, publish } from './report.ts';

/*
 * Services in the kernel: ours from manifests, in namespaces of its own, and beside the real kube-proxy from
 * a real API server. `--ours` leaves the latter out, and what is in docs/performance.md alone; `--smallest`
 * is for a look whether all of it runs.
 */

const ALL_SIZES: readonly (Size & { readonly peers: boolean })[] = [
  { services: 1_000, endpoints: 10, peers: true },
  { services: 5_000, endpoints: 10, peers: true },
  { services: 10_000, endpoints: 2, peers: true },
  { services: 10_000, endpoints: 10, peers: false },
  { services: 30_000, endpoints: 10, peers: false },
];
const ROUNDS = 3;
const CHANGES = 200;
const IPTABLES_CHANGES = 20;
const OURS_BY_IPTABLES = 'podwire, iptables';
const FILE_CHANGES = 20;
const CONNECTS = 1_500;
/** The sizes whose connections are compared. */
const SMALL: Size = { services: 1_000, endpoints: 10 };
const LARGE: Size = { services: 30_000, endpoints: 10 };
/** Of two sizes, in turn, so many connections each time: whatever else the machine does, it does to both. */
const FLAT_ROUNDS = 12;
const FLAT_CONNECTS = 500;
/** Services in one manifest. One file has a single Service: that is the one that is written anew. */
const SERVICES_PER_FILE = 500;

const oursAlone = process.argv.includes('--ours');
const isLook = process.argv.includes('--smallest');
const SIZES = isLook ? ALL_SIZES.slice(0, 1) : ALL_SIZES;
const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-proxy-'));
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

/** Bundles our proxy, as the executable has it; by an API server it starts a thread of its own. */
async function bundle(): Promise<{ readonly script: string; readonly apiScript: string }> {
  const written = async (name: string, source: string): Promise<string> => {
    const file = join(directory, `${name}.mjs`);
    const input = join(import.meta.dirname, source);
    const result = await rolldown({ input, platform: 'node', logLevel: 'silent' });
    await result.write({ file, format: 'esm', codeSplitting: false });
    await result.close();
    return file;
  };
  await written('decode-worker', '../../src/cluster/decode-worker.ts');
  return {
    script: await written('proxy-serve', 'proxy-serve.ts'),
    apiScript: await written('proxy-serve-api', 'proxy-serve-api.ts'),
  };
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

/** Our proxy in a room of its own, with the Services of a size from manifests. */
class Ours implements Disposable {
  readonly room: Room;
  readonly size: Size;
  readonly manifests: string;
  readonly #child: ChildProcess;
  readonly #server: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    room: Room,
    server: ChildProcess,
    script: string,
    size: Size,
    mode: ProxyMode,
  ) {
    this.room = room;
    this.size = size;
    this.#server = server;
    this.manifests = writeManifests(size);
    const args = [this.manifests, `${size.services}`, `${size.endpoints}`, mode];
    const program = [process.execPath, ...EXECUTABLE_ARGS, script, ...args] as const;
    this.#child = spawn(...room.enter('node', ...program), { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts it; what it gives is to be loaded next. */
  static async start(script: string, size: Size, mode: ProxyMode = 'nftables'): Promise<Ours> {
    const room = new Room(`ours-${mode}-${size.services}`);
    try {
      return new Ours(room, await room.startServer(), script, size, mode);
    } catch (error) {
      room[Symbol.dispose]();
      throw error;
    }
  }

  get cost(): ProcessCost {
    return costOf(this.#child.pid ?? 0);
  }

  /** When the store had all objects and when the rules were committed, from its start on. */
  loaded(): Promise<{ readMs: number; committedMs: number }> {
    return this.#next();
  }

  /** How long each of so many changes of the store took until its commit. */
  change(kind: 'endpoint' | 'service', count: number): Promise<number[]> {
    this.#child.stdin?.write(`${JSON.stringify({ kind, count })}\n`);
    return this.#next();
  }

  [Symbol.dispose](): void {
    this.#child.kill();
    this.#server.kill();
    this.room[Symbol.dispose]();
  }

  async #next<T>(): Promise<T> {
    return JSON.parse(String((await this.#lines.next()).value)) as T;
  }
}

async function runOurs(script: string, size: Size, isLast: boolean): Promise<Figures> {
  using ours = await Ours.start(script, size);
  const { readMs, committedMs } = await ours.loaded();
  const { cpuMs } = ours.cost;
  await sleep(REST_MS);
  const { rssMb, peakMb } = ours.cost;
  const loaded = { committedMs, loadMs: committedMs - readMs, cpuMs, rssMb, peakMb };
  if (!isLast) return { ...loaded, serviceMs: [], endpointMs: [], connectUs: [], directUs: [] };
  const latencies = connects(ours.room, size, CONNECTS);
  const endpointMs = await ours.change('endpoint', CHANGES);
  const serviceMs = await ours.change('service', CHANGES);
  const fileMs = await changeFile(ours);
  return { ...loaded, ...latencies, endpointMs, serviceMs, fileMs };
}

/** The same in mode iptables, for which some changes are enough. */
async function runIptables(script: string, size: Size): Promise<Figures> {
  using ours = await Ours.start(script, size, 'iptables');
  const { readMs, committedMs } = await ours.loaded();
  const { cpuMs } = ours.cost;
  await sleep(REST_MS);
  const { rssMb, peakMb } = ours.cost;
  const latencies = connects(ours.room, size, CONNECTS);
  const endpointMs = await ours.change('endpoint', IPTABLES_CHANGES);
  const serviceMs = await ours.change('service', IPTABLES_CHANGES);
  const loadMs = committedMs - readMs;
  return { committedMs, loadMs, cpuMs, rssMb, peakMb, ...latencies, endpointMs, serviceMs };
}

/** What rules add to a connect at the larger size, beside what they add at the smaller, in turn. */
async function flatness(script: string, small: Size, large: Size): Promise<number> {
  using one = await Ours.start(script, small);
  using other = await Ours.start(script, large);
  const both = [one, other].map((ours) => ({
    ours,
    through: [] as number[],
    direct: [] as number[],
  }));
  for (const { ours } of both) await ours.loaded();
  await sleep(REST_MS);
  for (let round = 0; round < FLAT_ROUNDS; round += 1) {
    for (const { ours, through, direct } of both) {
      const { connectUs, directUs } = connects(ours.room, ours.size, FLAT_CONNECTS);
      through.push(...connectUs);
      direct.push(...directUs);
    }
  }
  const [base, more] = both.map(
    ({ through, direct }) => (at('p50', through) ?? Number.NaN) - (at('p50', direct) ?? Number.NaN),
  );
  return (more ?? Number.NaN) / (base ?? Number.NaN);
}

/** How long it takes from a file that is in its place to the kernel's next generation of rules. */
async function changeFile({ room, manifests, size }: Ours): Promise<number[]> {
  const times: number[] = [];
  for (let moved = 1; moved <= FILE_CHANGES; moved += 1) {
    const temporary = join(manifests, '.one');
    writeFileSync(temporary, manifestOf(0, 1, size, moved + CHANGES));
    const start = now();
    const rename = (): void => renameSync(temporary, join(manifests, 'one.yaml'));
    times.push((await generationAfter(room, rename)) - start);
    await sleep(100);
  }
  return times;
}

/** Those who run at a size, in this order; the rounds of ours are each a process of its own. */
async function measure(script: string, apiScript: string, size: (typeof SIZES)[number]) {
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
  if (size.peers) results.set(OURS_BY_IPTABLES, await runIptables(script, size));
  if (!size.peers || oursAlone || kubeMissing() !== undefined) return results;
  await measureByApi(apiScript, size, (name, figures) => results.set(name, figures));
  return results;
}

const nameOf = ({ services, endpoints }: Size): string =>
  `${services.toLocaleString('en')} x ${endpoints}`;
/** Publishes what each came to at each size, and whether the goals are met. */
function report(all: readonly ReadonlyMap<string, Figures>[], flat: number): void {
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
    name = 'podwire',
  ) => {
    const index = SIZES.findIndex(
      (size) => size.services === services && size.endpoints === endpoints,
    );
    const figures = all[index]?.get(name);
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
      grid('resident memory at rest', 'MB', [
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
        text: 'one endpoint at 10,000 x 2 in mode iptables, until it is committed, ms',
        figure: figure(10_000, 2, ({ endpointMs }) => at('p50', endpointMs), OURS_BY_IPTABLES),
        limit: 300,
      },
      {
        text: 'what rules add to a connect at 30,000 Services beside that at 1,000',
        figure: flat,
        limit: 1.5,
      },
    ],
  });
}

const begin = now();
try {
  const missing = oursAlone ? 'asked for ours alone' : kubeMissing();
  if (missing !== undefined) say(`skipped: kube-proxy: ${missing}`);
  const { script, apiScript } = await bundle();
  const all: Map<string, Figures>[] = [];
  for (const size of SIZES) {
    const results = await measure(script, apiScript, size);
    all.push(results);
    for (const [name, figures] of results) {
      const { committedMs, rssMb, endpointMs, connectUs } = figures;
      const [seconds, mb] = [(committedMs / 1000).toFixed(2), rssMb.toFixed(0)];
      const [change, connect] = [at('p50', endpointMs), at('p50', connectUs)];
      say(
        `${nameOf(size)}: ${name}: committed in ${seconds} s, ${mb} MB; ` +
          `a change ${change?.toFixed(1)} ms, a connect ${connect?.toFixed(0)} us`,
      );
    }
  }
  // A look at one size does not tell whether the goals are met.
  if (!isLook) report(all, await flatness(script, SMALL, LARGE));
  say(`It took ${((now() - begin) / 1000).toFixed(0)} s.`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
