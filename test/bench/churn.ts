import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Churned, Wanted } from './churn-load.ts';
import { sampleOf } from './measure.ts';
import { costOf } from './process-cost.ts';
import { KubeApi, kubeMissing } from './proxy-kube.ts';
import { NODE_NAME } from './proxy-objects.ts';
import { Room } from './proxy-room.ts';
import { publish } from './report.ts';

/*
 * `make churn`: the agent follows an API server on which a hundred things change every second. A line a
 * minute; at the end the kernel and DNS must have what the API server has, and what the agent took must not
 * have grown.
 */

const MINUTES = Number(process.env.MINUTES ?? 30);
const RATE = 100;
const SERVICES = 1_000;
/** A line is said so often; a run of a few minutes says more. */
const PERIOD_SECONDS = Math.min(60, Math.max(5, MINUTES * 6));
/** A machine that does something else beside is not to blame the agent for it. */
const LAG_GROWTH_MS_MAX = 10;
/** The kernel follows DNS by a few milliseconds. */
const SETTLE_MS = 10_000;
const AGENT = join(import.meta.dirname, '../../dist/podwire');

/** What one period came to. */
interface Period {
  readonly changesASecond: number;
  readonly failures: number;
  readonly rssMb: number;
  readonly cpuShare: number;
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
}

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'podwire-churn-'));

/** What the kernel has: by cluster IP and port, the endpoints. */
function rulesOf(room: Room): Map<string, string[]> {
  const list = (map: string): string =>
    execFileSync(...room.enter('node', 'nft', 'list', 'map', 'ip', 'podwire', map), {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
  const endpoints = new Map<string, string[]>();
  for (const [, pool = '', address, port] of list('endpoints').matchAll(
    /([0-9a-f]+:[0-9a-f]+) \. 0x[0-9a-f]+ : ([\d.]+) \. (\d+)/g,
  )) {
    endpoints.set(pool, [...(endpoints.get(pool) ?? []), `${address}:${port}`]);
  }
  const rules = new Map<string, string[]>();
  for (const [, address, port, high, low = ''] of list('cluster-ips').matchAll(
    /([\d.]+) \. tcp \. (\d+) : ([0-9a-f]+):([0-9a-f]+)/g,
  )) {
    // The lowest twelve bits say how to pick; the others are the pool's number.
    const pool = `${high}:${(Number.parseInt(low, 16) & 0xf000).toString(16)}`;
    rules.set(`${address}:${port}`, endpoints.get(pool) ?? []);
  }
  return rules;
}

/** What the kernel lacks, has too much, or has otherwise. */
function wrongRules(room: Room, { wanted }: Wanted): string[] {
  const rules = rulesOf(room);
  const wrong = wanted
    .filter(({ endpoints }) => endpoints.length > 0)
    .filter(({ address, endpoints }) => {
      const has = rules.get(address);
      return has === undefined || String(has.sort()) !== String(endpoints.toSorted());
    })
    .map(({ address }) => address);
  const known = new Set(
    wanted.filter(({ endpoints }) => endpoints.length > 0).map((each) => each.address),
  );
  const own = /^10\.96\.0\.1:/;
  for (const address of rules.keys())
    if (!known.has(address) && !own.test(address)) wrong.push(address);
  return wrong;
}

const missing = kubeMissing();
if (missing !== undefined) throw new Error(`make churn needs the real kube-apiserver: ${missing}`);
using room = new Room('churn');
try {
  using api = await KubeApi.start(directory, room);
  const agent = api.run(
    AGENT,
    'agent',
    '--dns-workers=1',
    `--hostname-override=${NODE_NAME}`,
    '--kubeconfig',
    api.kubeconfig,
    '--saved-state',
    join(directory, 'state.json'),
  );
  agent.stdout?.resume();
  agent.once('exit', (code, signal) => {
    if (!isOver) throw new Error(`the agent ended: ${code ?? signal}`);
  });
  const load = api.run(
    process.execPath,
    '--no-warnings',
    join(import.meta.dirname, 'churn-load.ts'),
    ...[RATE, SERVICES, PERIOD_SECONDS].map(String),
  );
  if (load.stdout === null) throw new Error('no output');
  let isOver = false;
  const lines = createInterface({ input: load.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the load ended');
    return JSON.parse(value) as T;
  };
  await next<Churned>();
  const periods: Period[] = [];
  let cpuMs = costOf(agent.pid ?? 0).cpuMs;
  const begin = performance.now();
  const count = Math.max(4, Math.round((MINUTES * 60) / PERIOD_SECONDS));
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    const { changes, failures, lagsMs } = await next<Churned>();
    const seconds = (performance.now() - start) / 1000;
    const cost = costOf(agent.pid ?? 0);
    const lag = (share: number): number =>
      lagsMs.toSorted((a, b) => a - b)[Math.floor(share * lagsMs.length)] ?? Number.NaN;
    const period = {
      changesASecond: changes / seconds,
      failures,
      rssMb: cost.rssMb,
      cpuShare: (cost.cpuMs - cpuMs) / 10 / seconds,
      lagP50Ms: lag(0.5),
      lagP99Ms: lag(0.99),
    };
    cpuMs = cost.cpuMs;
    periods.push(period);
    say(
      [
        `${((performance.now() - begin) / 60_000).toFixed(1)} min`,
        `${period.changesASecond.toFixed(0)} changes a second`,
        `${period.failures} refused`,
        `RSS ${period.rssMb.toFixed(0)} MB`,
        `CPU ${period.cpuShare.toFixed(0)}%`,
        `DNS behind a watch by ${period.lagP50Ms.toFixed(0)} ms, at most ${period.lagP99Ms.toFixed(0)} ms`,
      ].join(', '),
    );
  }
  load.stdin?.end();
  let wanted = await next<Churned | Wanted>();
  while (!('wanted' in wanted)) wanted = await next<Churned | Wanted>();
  const deadline = performance.now() + SETTLE_MS;
  let wrong = wrongRules(room, wanted);
  while (wrong.length > 0 && performance.now() < deadline) {
    await pause(100);
    wrong = wrongRules(room, wanted);
  }
  isOver = true;
  for (const text of [...wrong, ...wanted.wrongNames].slice(0, 20)) say(`wrong: ${text}`);
  // The first quarter fills what is kept anyway.
  const quarter = Math.floor(periods.length / 4);
  const parts = [1, 2, 3].map((part) => periods.slice(part * quarter, (part + 1) * quarter));
  const median = (part: readonly Period[] | undefined, of: (period: Period) => number): number =>
    sampleOf('', (part ?? []).map(of)).median;
  const [early, middle, late] = parts;
  const row = (name: string, of: (period: Period) => number) => ({
    name,
    figures: [early, middle, late].map((part) => median(part, of)),
  });
  publish({
    name: 'churn',
    tables: [],
    grids: [
      {
        title: `${RATE} changes a second of ${SERVICES.toLocaleString('en')} Services for ${MINUTES} minutes, by quarters of that time`,
        unit: 'medians',
        sizes: ['second', 'third', 'last'],
        rows: [
          row('changes a second', ({ changesASecond }) => changesASecond),
          row('resident memory, MB', ({ rssMb }) => rssMb),
          row('CPU, % of one', ({ cpuShare }) => cpuShare),
          row('DNS behind a watch, p50, ms', ({ lagP50Ms }) => lagP50Ms),
          row('DNS behind a watch, p99, ms', ({ lagP99Ms }) => lagP99Ms),
        ],
      },
    ],
    goals: [
      { text: 'Services that are wrong in the kernel at the end', figure: wrong.length, limit: 0 },
      { text: 'names that are wrong at the end', figure: wanted.wrongNames.length, limit: 0 },
      {
        text: 'memory in the last quarter beside that in the second',
        figure: median(late, ({ rssMb }) => rssMb) / median(early, ({ rssMb }) => rssMb),
        limit: 1.05,
      },
      {
        text: 'DNS further behind in the last quarter than in the second, ms',
        figure:
          median(late, ({ lagP50Ms }) => lagP50Ms) - median(early, ({ lagP50Ms }) => lagP50Ms),
        limit: LAG_GROWTH_MS_MAX,
      },
      {
        text: 'changes a second that were not made',
        figure:
          RATE -
          sampleOf(
            '',
            periods.map(({ changesASecond }) => changesASecond),
          ).median,
        limit: RATE / 20,
      },
    ],
  });
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
