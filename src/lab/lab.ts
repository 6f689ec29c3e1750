import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type NetworkList, parseNetworkList } from '../cni/runner/conflist.ts';
import { Runner } from '../cni/runner/runner.ts';
import { PodwireError } from '../errors.ts';
import { RouteConnection } from '../netlink/route/connection.ts';
import { linkByName, linkSet } from '../netlink/route/link.ts';
import { createNamedNetns, deleteNamedNetns, deleteNetnsDirectory, Netns } from '../sys/netns.ts';
import {
  LAB_DIRECTORY,
  type LabPod,
  NETNS_DIRECTORY,
  NODE,
  netnsPath,
  POD_PORT,
  PODS,
} from './layout.ts';
import { endProcessesIn, pause, processesIn } from './processes.ts';

const READY_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

/** The lab could not be built. */
export class LabError extends PodwireError {
  constructor(message: string) {
    super('ERR_LAB', message);
  }
}

/** What the lab is built with. */
export interface LabOptions {
  /** How to start podwire: the program and its first arguments. */
  readonly podwire: readonly [string, ...string[]];
  /** Directory of the CNI plugins' executables. */
  readonly pluginDirectory: string;
  /** Directory of manifests and of podwire.conflist; it is copied, never written. */
  readonly examples: string;
  /** Told of each step. */
  readonly onStep: (text: string) => void;
}

/** Where the lab's copy of the manifests is. */
export const MANIFESTS = join(LAB_DIRECTORY, 'manifests');
/** Beside that of an agent of the machine. */
const ADMIN_SOCKET = join(LAB_DIRECTORY, 'agent.sock');
const AGENT_LOG = join(LAB_DIRECTORY, 'agent.log');
/** Says that the lab made the directory of namespaces, so that it takes it away as well. */
const MADE_NETNS_DIRECTORY = join(LAB_DIRECTORY, 'made-netns-directory');

/** Builds the lab; what is left of an earlier one goes first. Rejects with nothing left behind. */
export async function labUp(options: LabOptions): Promise<void> {
  if (process.getuid?.() !== 0) throw new LabError('the lab needs root, for network namespaces');
  await labDown(options);
  try {
    await build(options);
  } catch (error) {
    const log = existsSync(AGENT_LOG) ? readFileSync(AGENT_LOG, 'utf8').trim() : '';
    await labDown(options);
    if (log !== '') process.stderr.write(`${log}\n`);
    throw error;
  }
}

async function build(options: LabOptions): Promise<void> {
  const { onStep, examples } = options;
  mkdirSync(LAB_DIRECTORY, { recursive: true, mode: 0o700 });
  cpSync(examples, MANIFESTS, { recursive: true });
  if (!existsSync(NETNS_DIRECTORY)) writeFileSync(MADE_NETNS_DIRECTORY, '');
  onStep(`node: namespace ${NODE}`);
  createNamedNetns(netnsPath(NODE));
  using node = Netns.open(netnsPath(NODE));
  using connection = RouteConnection.open(node);
  const lo = linkByName(connection, 'lo');
  if (lo !== undefined) linkSet(connection, lo.index, { up: true });
  for (const pod of PODS) {
    onStep(`pod ${pod.name}: namespace ${pod.netns}, ${pod.ips.join(', ')}, by CNI`);
    createNamedNetns(netnsPath(pod.netns));
    attach(options, node, pod);
    startWebServer(options, pod);
  }
  onStep('agent: podwire agent, in the node');
  await startAgent(options, node);
}

/** Takes the lab down: processes, pods, namespaces, files. Nothing there is fine. */
export async function labDown(options: Pick<LabOptions, 'pluginDirectory'>): Promise<void> {
  const names = [...PODS.map((pod) => pod.netns), NODE];
  for (const name of names) {
    using netns = openIfThere(name);
    if (netns !== undefined) await endProcessesIn(netns.inode);
  }
  using node = openIfThere(NODE);
  if (node !== undefined && existsSync(MANIFESTS)) {
    for (const pod of PODS) detach(options, node, pod);
  }
  for (const name of names) deleteNamedNetns(netnsPath(name));
  if (existsSync(MADE_NETNS_DIRECTORY) && existsSync(NETNS_DIRECTORY)) {
    deleteNetnsDirectory(NETNS_DIRECTORY);
  }
  rmSync(LAB_DIRECTORY, { recursive: true, force: true });
}

/** What there is of the lab: each namespace with its processes. */
export function labStatus(): { name: string; exists: boolean; processes: string[] }[] {
  return [NODE, ...PODS.map((pod) => pod.netns)].map((name) => {
    using netns = openIfThere(name);
    const pids = netns === undefined ? [] : processesIn(netns.inode);
    return { name, exists: netns !== undefined, processes: pids.map(describe) };
  });
}

/** Starts podwire in a namespace of the lab. */
export function spawnIn(
  name: string,
  podwire: LabOptions['podwire'],
  args: readonly string[],
  stdio: Parameters<typeof spawn>[2]['stdio'],
): ChildProcess {
  const [file, ...first] = podwire;
  using netns = Netns.open(netnsPath(name));
  return netns.run(() => spawn(file, [...first, ...args], { stdio, detached: stdio === 'ignore' }));
}

function openIfThere(name: string): Netns | undefined {
  return existsSync(netnsPath(name)) ? tryOpen(netnsPath(name)) : undefined;
}

/** A plain file left by a crash is no namespace; deleting the name takes it away. */
function tryOpen(path: string): Netns | undefined {
  try {
    return Netns.open(path);
  } catch {
    return undefined;
  }
}

function describe(pid: number): string {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    return `${pid} ${command}`;
  } catch {
    return `${pid}`;
  }
}

function runnerOf({ pluginDirectory }: Pick<LabOptions, 'pluginDirectory'>): Runner {
  return new Runner({ path: [pluginDirectory], cacheDir: join(LAB_DIRECTORY, 'cni') });
}

/** The example's network, its reservations kept in the lab's directory instead of the system's. */
function labNetwork(): NetworkList {
  const file = readdirSync(MANIFESTS).find((name) => name.endsWith('.conflist'));
  if (file === undefined) throw new LabError('no .conflist among the examples');
  const value = JSON.parse(readFileSync(join(MANIFESTS, file), 'utf8')) as {
    plugins: { ipam?: { dataDir?: string } }[];
  };
  for (const { ipam } of value.plugins) {
    if (ipam !== undefined) ipam.dataDir = join(LAB_DIRECTORY, 'networks');
  }
  return parseNetworkList(JSON.stringify(value), file);
}

function requestOf(pod: LabPod) {
  const capabilities = { ips: pod.ips };
  return { containerId: pod.netns, ifName: 'eth0', netns: netnsPath(pod.netns), capabilities };
}

function attach(options: LabOptions, node: Netns, pod: LabPod): void {
  // Plugins work in the namespace they are started in, which for a runtime is the node's.
  node.run(() => runnerOf(options).add(labNetwork(), requestOf(pod)));
}

function detach(options: Pick<LabOptions, 'pluginDirectory'>, node: Netns, pod: LabPod): void {
  try {
    node.run(() => runnerOf(options).del(labNetwork(), requestOf(pod)));
  } catch {
    // The namespaces and the files go anyway, and all that a pod holds is in them.
  }
}

function startWebServer({ podwire }: LabOptions, pod: LabPod): void {
  const args = ['lab', 'serve', '--name', pod.name, '--port', `${POD_PORT}`];
  spawnIn(pod.netns, podwire, args, 'ignore').unref();
}

async function startAgent({ podwire }: LabOptions, node: Netns): Promise<void> {
  const log = openSync(AGENT_LOG, 'a', 0o600);
  const [file, ...first] = podwire;
  const args = [...first, 'agent', '--manifests', MANIFESTS, '--admin-socket', ADMIN_SOCKET];
  const child = node.run(() =>
    spawn(file, args, { stdio: ['ignore', log, log], detached: true, cwd: '/' }),
  );
  closeSync(log);
  child.unref();
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!readFileSync(AGENT_LOG, 'utf8').includes('"msg":"ready"')) {
    if (child.exitCode !== null) throw new LabError(`the agent ended with ${child.exitCode}`);
    if (performance.now() > deadline) {
      throw new LabError(`the agent was not ready after ${READY_TIMEOUT_MS} ms`);
    }
    await pause(POLL_MS);
  }
}
