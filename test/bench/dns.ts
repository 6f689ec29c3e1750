import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { peerMissing } from '../peers/peer.ts';
import { bundleServer } from './dns-bundle.ts';
import { domainOf } from './dns-objects.ts';
import { cpuNs, rssMb, type Server, Servers } from './dns-servers.ts';
import { type Candidate, interleave, type Sample, sampleOf } from './measure.ts';
import { KubeApi, kubeMissing } from './proxy-kube.ts';
import { Room } from './proxy-room.ts';
import { publish } from './report.ts';

/*
 * What an answer costs: the same ten thousand Services in every server, asked for their addresses by
 * dnsperf with EDNS over loopback. CoreDNS follows a real API server that has them. Each server has one
 * thread for UDP and the second core, dnsperf the first. Costs are CPU time of the server's process, all
 * of its threads, in user and kernel, for each query that was answered.
 */

const SERVICES = 10_000;
const SERVICES_LARGE = 100_000;
const ROUNDS = 5;
const ROUND_SECONDS = 2;
const STEADY_QUERIES_PER_SECOND = 10_000;
const QUERIES = 20_000;
/** Most garbage of the start is collected by then. */
const REST_MS = 5_000;
const ASKER_CPU = '0';

const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-dns-'));
const queries = join(directory, 'queries');

/** The servers with so many Services; CoreDNS where it can be had. */
async function startAll(servers: Servers, api: KubeApi | undefined, services: number) {
  const ours = await servers.ours('podwire', 'podwire', services);
  const zone = servers.zoneOf(ours);
  return [
    ours,
    await servers.knot(zone, services),
    await servers.unbound(zone, services),
    await servers.ours("the same through Node's dgram", 'dgram', services),
    ...(api === undefined ? [] : [await servers.coredns(api.kubeconfig, services)]),
  ];
}

function dnsperf(servers: Servers, { port }: Server, args: readonly string[], scheduler: string[]) {
  const common = ['-s', '127.0.0.1', '-p', `${port}`, '-e', '-d', queries, '-c', '8'];
  const own = ['chrt', ...scheduler, 'dnsperf', ...common, '-l', `${ROUND_SECONDS}`, ...args];
  return servers.run('taskset', '-c', ASKER_CPU, ...own);
}

/** Microseconds of CPU for each query of one run. */
function costUs(servers: Servers, server: Server, args: readonly string[]): number {
  const before = cpuNs(server.pid);
  const output = dnsperf(servers, server, args, ['--other', '0']);
  const spent = cpuNs(server.pid) - before;
  const completed = Number(/Queries completed:\s+(\d+)/.exec(output)?.[1]);
  if (!/NOERROR \d+ \(100\.00%\)/.test(output)) throw new Error(`${server.name}: ${output}`);
  return spent / 1000 / completed;
}

/** Latencies at a steady rate in microseconds, in order. */
function latenciesUs(servers: Servers, server: Server): number[] {
  const args = ['-Q', `${STEADY_QUERIES_PER_SECOND}`, '-v'];
  const output = dnsperf(servers, server, args, ['--rr', '1']);
  const latencies = Array.from(
    output.matchAll(/^> NOERROR \S+ A (\S+)$/gm),
    ([, text]) => Number(text) * 1e6,
  );
  if (latencies.length === 0) throw new Error(`${server.name}: no latencies`);
  return latencies.sort((a, b) => a - b);
}

const percentile = (sorted: readonly number[], percent: number): number =>
  sorted[Math.floor((sorted.length * percent) / 100)] ?? Number.NaN;
const medianOf = (samples: readonly Sample[], name: string): number =>
  samples.find((sample) => sample.name.startsWith(name))?.median ?? Number.NaN;

/** Resident memory of ours alone, which nobody asks. */
async function memoryOf(servers: Servers, name: string, mode: string, services: number) {
  const server = await servers.ours(name, mode, services);
  await pause(REST_MS);
  const rss = rssMb(server);
  await servers.end(server);
  return sampleOf(name, [rss]);
}

const missing = kubeMissing() ?? peerMissing('coredns');
if (missing !== undefined) process.stdout.write(`skipped: CoreDNS: ${missing}\n`);
try {
  const names = Array.from(
    { length: QUERIES },
    (_, index) => `${domainOf((index * 7919) % SERVICES)} A`,
  );
  writeFileSync(queries, `${names.join('\n')}\n`);
  using room = new Room('dns');
  using api = missing === undefined ? await KubeApi.start(directory, room) : undefined;
  await using servers = new Servers(room, directory, await bundleServer(directory));

  const empty = await startAll(servers, api, 0);
  await pause(REST_MS);
  const emptyMb = empty.map(rssMb);
  for (const server of empty) await servers.end(server);
  await api?.ask({ do: 'load', size: { services: SERVICES, endpoints: 1 } });
  const full = await startAll(servers, api, SERVICES);
  await pause(REST_MS);
  const fullMb = full.map(rssMb);

  const candidates = (run: (server: Server) => number): Candidate[] =>
    full.map((server) => ({ name: server.name, run: () => run(server) }));
  const saturated = interleave(
    candidates((server) => costUs(servers, server, ['-q', '200'])),
    ROUNDS,
  );
  const steadyArgs = ['-Q', `${STEADY_QUERIES_PER_SECOND}`];
  const steady = interleave(
    candidates((server) => costUs(servers, server, steadyArgs)),
    ROUNDS,
  );
  // Latency is that of the servers, not of whatever else runs on the machine.
  for (const { pid } of full) execFileSync('chrt', ['--all-tasks', '--rr', '--pid', '1', `${pid}`]);
  const tails = new Map<string, number[]>(full.map(({ name }) => [name, []]));
  const p50 = interleave(
    candidates((server) => {
      const latencies = latenciesUs(servers, server);
      tails.get(server.name)?.push(percentile(latencies, 99));
      return percentile(latencies, 50);
    }),
    ROUNDS,
  );
  // As of `p50`, the first round does not count.
  const p99 = [...tails].map(([name, each]) => sampleOf(name, each.slice(1)));
  for (const server of full) await servers.end(server);
  const memory = [
    await memoryOf(servers, 'podwire, no Service', 'table', 0),
    await memoryOf(servers, '10,000 Services', 'table', SERVICES),
    await memoryOf(servers, '100,000 Services', 'table', SERVICES_LARGE),
    await memoryOf(
      servers,
      '100,000 Services, and the store that holds them',
      'podwire',
      SERVICES_LARGE,
    ),
  ];

  const goal = (
    text: string,
    samples: readonly Sample[],
    peer: string,
    limit: number,
  ): { text: string; figure: number; limit: number } => ({
    text: `CPU for a query beside ${peer}, ${text}`,
    figure: medianOf(samples, 'podwire') / medianOf(samples, peer),
    limit,
  });
  publish({
    name: 'bench-dns',
    tables: [
      { title: 'CPU for a query, as many as it can', unit: 'us', samples: saturated },
      { title: 'CPU for a query, at 10,000 a second', unit: 'us', samples: steady },
      { title: 'latency at 10,000 a second, half are below', unit: 'us', samples: p50 },
      { title: 'latency at 10,000 a second, 99 of 100 are below', unit: 'us', samples: p99 },
      { title: 'resident memory of the DNS server, one thread', unit: 'MB', samples: memory },
    ],
    grids: [
      {
        title: 'resident memory, with what the answers are made from',
        unit: 'MB',
        sizes: ['no Service', '10,000 Services', 'for each 1,000'],
        rows: full.map(({ name }, index) => {
          const [before = Number.NaN, after = Number.NaN] = [emptyMb[index], fullMb[index]];
          return { name, figures: [before, after, ((after - before) * 1000) / SERVICES] };
        }),
      },
    ],
    goals: [
      goal('as many as it can', saturated, 'knotd', 1.4),
      goal('at 10,000 a second', steady, 'knotd', 1.4),
      ...(missing === undefined
        ? [
            goal('as many as it can', saturated, 'CoreDNS', 0.35),
            goal('at 10,000 a second', steady, 'CoreDNS', 0.35),
          ]
        : []),
      {
        text: '99 of 100 latencies at 10,000 a second, in us',
        figure: medianOf(p99, 'podwire'),
        limit: 1000,
      },
      {
        text: 'MB with 100,000 Services',
        figure: medianOf(memory, '100,000 Services'),
        limit: 150,
      },
    ],
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
