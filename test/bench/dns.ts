import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peerMissing, peerProgram } from '../peers/peer.ts';
import { bundleServer } from './dns-bundle.ts';
import { domainOf } from './dns-objects.ts';
import { type Candidate, interleave, type Sample } from './measure.ts';
import { publish } from './report.ts';

/*
 * What an answer costs: the same ten thousand Services in every server, asked for their addresses by
 * dnsperf with EDNS over loopback. Each server has one thread for UDP and the second core, dnsperf the
 * first. Costs are CPU time of the server's process, all of its threads, in user and kernel, for each
 * query that was answered.
 */

const SERVICES = 10_000;
const SERVICES_LARGE = 100_000;
const ROUNDS = 5;
const ROUND_SECONDS = 2;
const STEADY_QUERIES_PER_SECOND = 10_000;
const QUERIES = 20_000;
const START_TIMEOUT_MS = 30_000;
/** What the executable for nodes has inside (scripts/build.ts). */
const EXECUTABLE_ARGS = ['--no-warnings', '--max-semi-space-size=2'];
const ASKER_CPU = '0';
const SERVER_CPU = '1';

const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-dns-'));
const children: ChildProcess[] = [];

interface Server {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn('taskset', ['-c', SERVER_CPU, command, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  return child;
}

/** Starts one of ours and waits for the line that says where it serves. */
async function startOurs(name: string, script: string, mode: string, services = SERVICES) {
  const child = start(process.execPath, [...EXECUTABLE_ARGS, script, mode, `${services}`]);
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, number>> =>
    JSON.parse(String((await lines.next()).value)) as Record<string, number>;
  const { port = 0 } = await next();
  const memory = async () => {
    child.stdin?.write('\n');
    return next();
  };
  return { server: { name, port, pid: child.pid ?? 0 }, memory, child };
}

/** Waits until a server answers as it should. */
async function answering(server: Server): Promise<Server> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const args = ['-p', `${server.port}`, '@127.0.0.1', '+short', '+tries=1', '+time=1'];
      const output = execFileSync('dig', [...args, domainOf(1)], { encoding: 'utf8' });
      if (output === '10.96.0.1\n') return server;
    } catch {
      // Not there yet.
    }
    if (Date.now() > deadline) throw new Error(`${server.name} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The zone of one of ours as a file, by dig. */
function zoneFile(port: number): { path: string; records: string[] } {
  const output = execFileSync(
    'dig',
    ['-p', `${port}`, '@127.0.0.1', '+noall', '+answer', '+onesoa', 'cluster.local', 'AXFR'],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const records = output.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
  const path = join(directory, 'cluster.local.zone');
  writeFileSync(path, `${records.join('\n')}\n`);
  return { path, records };
}

function knot(zone: string, port: number): Promise<Server> {
  const file = join(directory, 'knot.conf');
  const lines = [
    'server:',
    `  rundir: ${directory}`,
    `  listen: 127.0.0.1@${port}`,
    '  udp-workers: 1',
    '  tcp-workers: 1',
    '  background-workers: 1',
    'database:',
    `  storage: ${directory}/knot`,
    'zone:',
    '  - domain: cluster.local',
    `    file: ${zone}`,
    '    zonefile-sync: -1',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { pid = 0 } = start('knotd', ['-c', file]);
  return answering({ name: 'knotd 3.2', port, pid });
}

function unbound(records: readonly string[], port: number): Promise<Server> {
  const file = join(directory, 'unbound.conf');
  const data = records
    .filter((record) => /\sIN\s+(A|SRV)\s/.test(record))
    .map((record) => `  local-data: "${record.replace(/\s+/g, ' ')}"`);
  const lines = [
    'server:',
    `  interface: 127.0.0.1@${port}`,
    '  num-threads: 1',
    '  do-daemonize: no',
    '  username: ""',
    '  chroot: ""',
    `  directory: ${directory}`,
    '  use-syslog: no',
    '  local-zone: "cluster.local." static',
    ...data,
    'remote-control:',
    '  control-enable: no',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { pid = 0 } = start('unbound', ['-d', '-c', file]);
  return answering({ name: 'unbound 1.17, local-data', port, pid });
}

function coredns(zone: string, port: number): Promise<Server> {
  const file = join(directory, 'Corefile');
  const blocks = [
    '  errors',
    '  prometheus 127.0.0.1:0',
    '  cache 30',
    `  file ${zone} cluster.local`,
  ];
  writeFileSync(file, [`.:${port} {`, '  bind 127.0.0.1', ...blocks, '}', ''].join('\n'));
  const { pid = 0 } = start(peerProgram('coredns', 'coredns'), ['-conf', file]);
  return answering({ name: 'CoreDNS v1.15.0, file and cache', port, pid });
}

/** CPU time of all threads of a process so far, in nanoseconds. */
function cpuNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
    return sum + Number(stat.split(' ')[0]);
  }, 0);
}

function dnsperf(server: Server, args: readonly string[], scheduler = ['chrt', '--other', '0']) {
  return execFileSync(
    'taskset',
    ['-c', ASKER_CPU, ...scheduler, 'dnsperf', '-s', '127.0.0.1', '-p', `${server.port}`, '-e']
      .concat(['-d', join(directory, 'queries'), '-l', `${ROUND_SECONDS}`, '-c', '8'])
      .concat(args),
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 },
  );
}

/** Microseconds of CPU for each query of one run. */
function costUs(server: Server, args: readonly string[]): number {
  const before = cpuNs(server.pid);
  const output = dnsperf(server, args);
  const spent = cpuNs(server.pid) - before;
  const completed = Number(/Queries completed:\s+(\d+)/.exec(output)?.[1]);
  if (!/NOERROR \d+ \(100\.00%\)/.test(output)) throw new Error(`${server.name}: ${output}`);
  return spent / 1000 / completed;
}

/** Latency in microseconds of which so many of a hundred are below, at a steady rate. */
function latencyUs(server: Server, percent: number): number {
  const output = dnsperf(
    server,
    ['-Q', `${STEADY_QUERIES_PER_SECOND}`, '-v'],
    ['chrt', '--rr', '1'],
  );
  const latencies = Array.from(output.matchAll(/^> NOERROR \S+ A (\S+)$/gm), ([, text]) =>
    Number(text),
  );
  if (latencies.length === 0) throw new Error(`${server.name}: no latencies`);
  latencies.sort((a, b) => a - b);
  return (latencies[Math.floor((latencies.length * percent) / 100)] ?? Number.NaN) * 1e6;
}

const one = (name: string, value: number): Sample => ({
  name,
  median: value,
  p5: value,
  p95: value,
});
const medianOf = (samples: readonly Sample[], name: string): number =>
  samples.find((sample) => sample.name.startsWith(name))?.median ?? Number.NaN;

async function memoryOf(name: string, script: string, mode: string, services: number) {
  const { memory, child } = await startOurs(name, script, mode, services);
  const { rssMb = Number.NaN } = await memory();
  child.kill();
  await once(child, 'exit');
  return one(name, rssMb);
}

try {
  const names = Array.from(
    { length: QUERIES },
    (_, index) => `${domainOf((index * 7919) % SERVICES)} A`,
  );
  writeFileSync(join(directory, 'queries'), `${names.join('\n')}\n`);
  const script = await bundleServer(directory);
  const { server: ours } = await startOurs('podwire', script, 'podwire');
  const { server: dgram } = await startOurs("the same through Node's dgram", script, 'dgram');
  const { path, records } = zoneFile(ours.port);
  const servers = [
    ours,
    await knot(path, ours.port + 1),
    await unbound(records, ours.port + 2),
    dgram,
  ];
  const missing = peerMissing('coredns');
  if (missing === undefined) servers.push(await coredns(path, ours.port + 3));
  else process.stdout.write(`skipped: CoreDNS: ${missing}\n`);

  const candidates = (run: (server: Server) => number): Candidate[] =>
    servers.map((server) => ({ name: server.name, run: () => run(server) }));
  const saturated = interleave(
    candidates((server) => costUs(server, ['-q', '200'])),
    ROUNDS,
  );
  const steadyArgs = ['-Q', `${STEADY_QUERIES_PER_SECOND}`];
  const steady = interleave(
    candidates((server) => costUs(server, steadyArgs)),
    ROUNDS,
  );
  // Latency is that of the servers, not of whatever else runs on the machine.
  for (const { pid } of servers)
    execFileSync('chrt', ['--all-tasks', '--rr', '--pid', '1', `${pid}`]);
  const p50 = interleave(
    candidates((server) => latencyUs(server, 50)),
    ROUNDS,
  );
  const p99 = interleave(
    candidates((server) => latencyUs(server, 99)),
    ROUNDS,
  );
  const memory = [
    await memoryOf('podwire, no Service', script, 'table', 0),
    await memoryOf('10,000 Services', script, 'table', SERVICES),
    await memoryOf('100,000 Services', script, 'table', SERVICES_LARGE),
    await memoryOf(
      '100,000 Services, and the store that holds them',
      script,
      'podwire',
      SERVICES_LARGE,
    ),
  ];

  const ratio = (samples: readonly Sample[], peer: string) =>
    medianOf(samples, 'podwire') / medianOf(samples, peer);
  publish({
    name: 'bench-dns',
    tables: [
      { title: 'CPU for a query, as many as it can', unit: 'us', samples: saturated },
      { title: 'CPU for a query, at 10,000 a second', unit: 'us', samples: steady },
      { title: 'latency at 10,000 a second, half are below', unit: 'us', samples: p50 },
      { title: 'latency at 10,000 a second, 99 of 100 are below', unit: 'us', samples: p99 },
      { title: 'resident memory of the DNS server, one thread', unit: 'MB', samples: memory },
    ],
    goals: [
      {
        text: 'CPU for a query beside knotd, as many as it can',
        figure: ratio(saturated, 'knotd'),
        limit: 1.4,
      },
      {
        text: 'CPU for a query beside knotd, at 10,000 a second',
        figure: ratio(steady, 'knotd'),
        limit: 1.4,
      },
      ...(missing === undefined
        ? [
            {
              text: 'CPU for a query beside CoreDNS, as many as it can',
              figure: ratio(saturated, 'CoreDNS'),
              limit: 0.35,
            },
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
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true, force: true });
}
