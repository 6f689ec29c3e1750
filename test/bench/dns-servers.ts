import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peerProgram } from '../peers/peer.ts';
import { domainOf } from './dns-objects.ts';
import { costOf } from './process-cost.ts';
import { clusterIPOf } from './proxy-objects.ts';
import type { Room } from './proxy-room.ts';

/*
 * The servers `make bench-dns` compares: each a process of its own on one core, all on loopback of the
 * same namespace, which is that of a node.
 */

/** What the executable for nodes has inside (scripts/build.ts). */
const EXECUTABLE_ARGS = ['--no-warnings', '--max-semi-space-size=2'];
const START_TIMEOUT_MS = 60_000;
const SERVER_CPU = '1';

/** One that answers. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

/** Starts servers in a room, and ends them. */
export class Servers implements AsyncDisposable {
  readonly #room: Room;
  readonly #directory: string;
  readonly #script: string;
  readonly #children: ChildProcess[] = [];
  #port = 5300;

  /** Files go below `directory`; `script` is ours (`dns-bundle.ts`). */
  constructor(room: Room, directory: string, script: string) {
    this.#room = room;
    this.#directory = directory;
    this.#script = script;
  }

  /** `dns-serve.ts` in one of its modes. */
  async ours(name: string, mode: string, services: number): Promise<Server> {
    const port = this.#nextPort();
    const args = [...EXECUTABLE_ARGS, this.#script, mode, `${services}`, `${port}`];
    const child = this.#start(process.execPath, args);
    if (child.stdout === null) throw new Error('no output');
    for await (const _ of createInterface({ input: child.stdout })) break;
    return await this.#answering({ name, port, pid: child.pid ?? 0 }, services);
  }

  /** Knot DNS with a zone of so many Services. */
  async knot(zone: Zone, services: number): Promise<Server> {
    const port = this.#nextPort();
    const directory = this.#place(`knot-${port}`);
    const file = join(directory, 'knot.conf');
    const lines = [
      'server:',
      `  rundir: ${directory}`,
      `  listen: 127.0.0.1@${port}`,
      '  udp-workers: 1',
      '  tcp-workers: 1',
      '  background-workers: 1',
      'database:',
      `  storage: ${directory}`,
      'zone:',
      '  - domain: cluster.local',
      `    file: ${zone.path}`,
      '    zonefile-sync: -1',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { pid = 0 } = this.#start('knotd', ['-c', file]);
    return await this.#answering({ name: 'knotd 3.2', port, pid }, services);
  }

  /** Unbound with the same records. */
  async unbound(zone: Zone, services: number): Promise<Server> {
    const port = this.#nextPort();
    const directory = this.#place(`unbound-${port}`);
    const file = join(directory, 'unbound.conf');
    const data = zone.records
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
    const { pid = 0 } = this.#start('unbound', ['-d', '-c', file]);
    return await this.#answering({ name: 'unbound 1.17, local-data', port, pid }, services);
  }

  /** CoreDNS with its kubernetes plugin and cache, by an API server. */
  async coredns(kubeconfig: string, services: number): Promise<Server> {
    const port = this.#nextPort();
    const file = join(this.#directory, `Corefile-${port}`);
    const lines = [
      `.:${port} {`,
      '  bind 127.0.0.1',
      '  errors',
      '  prometheus 127.0.0.1:0',
      '  kubernetes cluster.local in-addr.arpa ip6.arpa {',
      `    kubeconfig ${kubeconfig}`,
      '    pods insecure',
      '  }',
      '  cache 30',
      '}',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { pid = 0 } = this.#start(peerProgram('coredns', 'coredns'), ['-conf', file]);
    const name = 'CoreDNS v1.15.0, kubernetes and cache';
    return await this.#answering({ name, port, pid }, services);
  }

  /** The zone of one of ours, by dig. */
  zoneOf({ port }: Server): Zone {
    const query = ['+noall', '+answer', '+onesoa', 'cluster.local', 'AXFR'];
    const output = this.run('dig', '-p', `${port}`, '@127.0.0.1', ...query);
    const records = output.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
    const path = join(this.#directory, `cluster.local-${port}.zone`);
    writeFileSync(path, `${records.join('\n')}\n`);
    return { path, records };
  }

  /** Runs a program beside the servers, and gives its output. */
  run(command: string, ...args: readonly string[]): string {
    return execFileSync(...this.#room.enter('node', command, ...args), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 28,
    });
  }

  /** Ends one. */
  async end({ pid }: Server): Promise<void> {
    const child = this.#children.find((each) => each.pid === pid);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid = 0 } of this.#children) await this.end({ name: '', port: 0, pid });
  }

  #nextPort(): number {
    this.#port += 1;
    return this.#port;
  }

  #place(name: string): string {
    const path = join(this.#directory, name);
    mkdirSync(path);
    return path;
  }

  #start(command: string, args: readonly string[]): ChildProcess {
    const enter = this.#room.enter('node', 'taskset', '-c', SERVER_CPU, command, ...args);
    const child = spawn(...enter, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#children.push(child);
    return child;
  }

  /** Waits until a server has the last of its Services, or without one, answers. */
  async #answering(server: Server, services: number): Promise<Server> {
    const { name, port, pid } = server;
    const [domain, expected] =
      services === 0
        ? ['cluster.local', 'status: NOERROR']
        : [domainOf(services - 1), clusterIPOf(services - 1)];
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        const args = ['-p', `${port}`, '@127.0.0.1', '+tries=1', '+time=1'];
        if (this.run('dig', ...args, domain).includes(expected)) break;
      } catch {
        // Not there yet.
      }
      if (Date.now() > deadline) throw new Error(`${name} does not answer`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // Knot puts its first thread on the first core itself: that of dnsperf, which it then need not wake
    // across cores, and others must.
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', SERVER_CPU, `${pid}`]);
    return server;
  }
}

/** The records of a zone, and the file they are in. */
export interface Zone {
  readonly path: string;
  readonly records: readonly string[];
}

/** CPU time of all threads of a process so far, in nanoseconds. */
export function cpuNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
    return sum + Number(stat.split(' ')[0]);
  }, 0);
}

/** Resident memory of a server now. */
export function rssMb({ pid }: Server): number {
  return costOf(pid).rssMb;
}
