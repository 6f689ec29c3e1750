import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createNamedNetns, deleteNamedNetns } from '../../src/sys/netns.ts';
import { interleave, type Sample, sampleOf } from './measure.ts';
import { costOf } from './process-cost.ts';
import { publish } from './report.ts';

/*
 * The overlay: what packets across nodes cost beside a VXLAN network made with ip(8) on the same
 * machine, and how soon five hundred nodes that join within ten seconds are all reached.
 *
 *     n1 == agent, VNI 1 == n2        n3 == ip(8), VNI 2 == n4        all on one bridge
 */

const ROUNDS = 7;
const RUN_SECONDS = 2;
const JOINING = 500;
const JOIN_MS = 10_000;
const BATCHES = 20;
const WAIT_MS = 30_000;
const NETWORK = '10.0.0.0/8';
const ENTRY = join(import.meta.dirname, '../../dist/podwire');
const METRICS = 'http://127.0.0.1:10249/metrics';

type Place = 'wire' | 'n1' | 'n2' | 'n3' | 'n4';
const PLACES: readonly Place[] = ['wire', 'n1', 'n2', 'n3', 'n4'];
const nameOf = (place: Place): string => `podwire-bench-${process.pid}-${place}`;
const exec = (place: Place, ...command: string[]): string =>
  execFileSync('ip', ['netns', 'exec', nameOf(place), ...command], { encoding: 'utf8' });
const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
const children: ChildProcess[] = [];

function wire(): void {
  exec('wire', 'ip', 'link', 'add', 'wire', 'up', 'type', 'bridge');
  for (const number of [1, 2, 3, 4] as const) {
    const place = `n${number}` as const;
    exec(place, 'ip', 'link', 'set', 'lo', 'up');
    exec('wire', 'ip', 'link', 'add', place, 'type', 'veth', 'peer', 'up0', 'netns', nameOf(place));
    exec('wire', 'ip', 'link', 'set', place, 'master', 'wire', 'up');
    exec(place, 'ip', 'addr', 'add', `192.0.2.${number}/24`, 'dev', 'up0');
    exec(place, 'ip', 'link', 'set', 'up0', 'up');
  }
}

/** The same by hand, as the documentation of Linux has it. */
function plainVxlan(number: 3 | 4, other: 3 | 4): void {
  const place = `n${number}` as const;
  const mac = `02:00:00:00:00:0${other}`;
  const own = `02:00:00:00:00:0${number}`;
  const options = ['id', '2', 'dstport', '8472', 'local', `192.0.2.${number}`, 'dev', 'up0'];
  exec(
    place,
    'ip',
    'link',
    'add',
    'vx',
    'address',
    own,
    'mtu',
    '1450',
    'type',
    'vxlan',
    ...options,
    'nolearning',
  );
  exec(place, 'ip', 'addr', 'add', `10.244.${number}.0/32`, 'dev', 'vx');
  exec(place, 'ip', 'link', 'set', 'vx', 'up');
  exec(
    place,
    'ip',
    'neigh',
    'add',
    `10.244.${other}.0`,
    'lladdr',
    mac,
    'dev',
    'vx',
    'nud',
    'permanent',
  );
  exec(place, 'bridge', 'fdb', 'add', mac, 'dev', 'vx', 'dst', `192.0.2.${other}`);
  exec(
    place,
    'ip',
    'route',
    'add',
    `10.244.${other}.0/24`,
    'via',
    `10.244.${other}.0`,
    'dev',
    'vx',
    'onlink',
  );
}

function writeNode(manifests: string, name: string, podCIDR: string, address: string): void {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  };
  writeFileSync(join(manifests, `.${name}`), JSON.stringify(node));
  renameSync(join(manifests, `.${name}`), join(manifests, `${name}.yaml`));
}

async function startAgent(place: 'n1' | 'n2', manifests: string): Promise<ChildProcess> {
  const args = [
    'agent',
    '--manifests',
    manifests,
    '--overlay=vxlan',
    `--overlay-network=${NETWORK}`,
  ];
  const quiet = ['--dns-address=127.0.0.1', '--dns-port=0', '--dns-workers=1'];
  const command = [ENTRY, ...args, ...quiet, `--hostname-override=${place}`];
  const child = spawn('ip', ['netns', 'exec', nameOf(place), ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let log = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (log.includes('"msg":"ready"')) resolve();
  });
  child.once('exit', () => reject(new Error(log)));
  await promise;
  return child;
}

/** Milliseconds the processors worked, for whomever. */
function busyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return (user + nice + system + irq + softirq) * 10; // proc_stat(5): hundredths of a second
}

interface Run {
  readonly gbits: number;
  readonly cpuMsPerGbit: number;
}

/** Sends as much as goes through from one node to another's address on the overlay. */
function send(from: Place, to: string): Run {
  const before = busyMs();
  const text = exec(from, 'iperf3', '-c', to, '-t', `${RUN_SECONDS}`, '-J');
  const busy = busyMs() - before;
  const { end } = JSON.parse(text) as {
    end: { sum_received: { bits_per_second: number; bytes: number } };
  };
  const gbit = (end.sum_received.bytes * 8) / 1e9;
  return { gbits: end.sum_received.bits_per_second / 1e9, cpuMsPerGbit: busy / gbit };
}

async function throughput(): Promise<{ readonly speed: Sample[]; readonly cpu: Sample[] }> {
  for (const place of ['n2', 'n4'] as const) {
    const server = spawn('ip', ['netns', 'exec', nameOf(place), 'iperf3', '-s', '--forceflush'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(server);
    await once(server.stdout, 'data');
  }
  const cpus: number[][] = [[], []];
  const candidate = (index: 0 | 1, name: string, from: Place, to: string) => ({
    name,
    run: () => {
      const { gbits, cpuMsPerGbit } = send(from, to);
      cpus[index]?.push(cpuMsPerGbit);
      return gbits;
    },
  });
  const speed = interleave(
    [
      candidate(0, 'podwire', 'n1', '10.244.2.0'),
      candidate(1, 'vxlan by ip(8)', 'n3', '10.244.4.0'),
    ],
    ROUNDS,
  );
  // As of the speed, the first run warms up.
  const cpu = speed.map(({ name }, index) => sampleOf(name, cpus[index]?.slice(1) ?? []));
  return { speed, cpu };
}

interface Joined {
  readonly seconds: number;
  readonly syncs: number;
  readonly rssMb: number;
  readonly cpuSeconds: number;
}

const metric = (name: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(exec('n1', 'curl', '-s', METRICS))?.[1]);

/** Has nodes join, and waits until the first one has a route to each of them. */
async function join500(manifests: string, agent: ChildProcess): Promise<Joined> {
  const routes = (): number =>
    exec('n1', 'ip', 'route', 'show', 'dev', 'vxlan.1', 'proto', '112').trim().split('\n').length;
  const before = {
    syncs: metric('podwire_overlay_syncs_total'),
    cpuMs: costOf(agent.pid ?? 0).cpuMs,
  };
  const known = routes();
  const start = performance.now();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await pause(Math.max(0, start + (JOIN_MS * batch) / BATCHES - performance.now()));
    const from = (batch * JOINING) / BATCHES;
    for (let number = from; number < from + JOINING / BATCHES; number += 1) {
      const [high, low] = [number >> 8, number & 0xff];
      const address = `192.0.${3 + high}.${low}`;
      writeNode(manifests, `joins-${number}`, `10.${high}.${low}.0/24`, address);
    }
  }
  const last = performance.now();
  while (routes() < known + JOINING) {
    if (performance.now() - last > WAIT_MS)
      throw new Error(`${routes() - known} of ${JOINING} routes`);
    await pause(20);
  }
  const seconds = (performance.now() - last) / 1000;
  const { rssMb, cpuMs } = costOf(agent.pid ?? 0);
  const syncs = metric('podwire_overlay_syncs_total') - before.syncs;
  return { seconds, syncs, rssMb, cpuSeconds: (cpuMs - before.cpuMs) / 1000 };
}

try {
  for (const place of PLACES) createNamedNetns(`/run/netns/${nameOf(place)}`);
  wire();
  plainVxlan(3, 4);
  plainVxlan(4, 3);
  const manifests = join(directory, 'manifests');
  mkdirSync(manifests);
  writeNode(manifests, 'n1', '10.244.1.0/24', '192.0.2.1');
  writeNode(manifests, 'n2', '10.244.2.0/24', '192.0.2.2');
  const agent = await startAgent('n1', manifests);
  await startAgent('n2', manifests);
  const { speed, cpu } = await throughput();
  const joined = await join500(manifests, agent);
  const ratio = ([ours, theirs]: readonly Sample[]): number =>
    (ours?.median ?? Number.NaN) / (theirs?.median ?? Number.NaN);
  publish({
    name: 'bench-overlay',
    tables: [
      { title: 'throughput across nodes', unit: 'Gbit/s', samples: speed },
      { title: 'CPU of the machine for it', unit: 'ms for each Gbit', samples: cpu },
      {
        title: '500 nodes join: until the last is reached',
        unit: 's',
        samples: [sampleOf('podwire', [joined.seconds])],
      },
      {
        title: 'CPU for all of them',
        unit: 's',
        samples: [sampleOf('podwire', [joined.cpuSeconds])],
      },
      { title: 'RSS after them', unit: 'MB', samples: [sampleOf('podwire', [joined.rssMb])] },
    ],
    goals: [
      {
        text: 'as much goes through as through vxlan by ip(8): its throughput beside ours',
        figure: 1 / ratio(speed),
        limit: 1.05,
      },
      { text: 'for as much CPU: ours beside its', figure: ratio(cpu), limit: 1.05 },
      {
        text: 'seconds from the last of 500 nodes until all are reached',
        figure: joined.seconds,
        limit: 2,
      },
      { text: 'the 500 come in few batches', figure: joined.syncs, limit: 60 },
    ],
  });
} finally {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  for (const place of PLACES) deleteNamedNetns(`/run/netns/${nameOf(place)}`);
  rmSync(directory, { recursive: true, force: true });
}
