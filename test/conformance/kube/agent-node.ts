import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';

const ENTRY = join(import.meta.dirname, '../../../src/entry.ts');
const SERVER = `
require('node:http').createServer((_, response) => {
  response.writeHead(200, { connection: 'close' });
  response.end('pod');
}).listen(8080, () => console.log('listening'));`;
const CLIENT = `
fetch(process.argv[1], { signal: AbortSignal.timeout(5000) }).then(async (response) => {
  process.stdout.write(await response.text());
}, (error) => process.stdout.write(String(error.cause?.code ?? error.name)));`;

/** One connection after the other until stdin ends; then how many, and what became of those that failed. */
const TRAFFIC = `
const failures = [];
let sent = 0;
let isOver = false;
process.stdin.resume().on('end', () => { isOver = true; });
(async () => {
  while (!isOver) {
    sent += 1;
    try {
      const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(5000) });
      if ((await answer.text()) !== 'pod') failures.push('another answer');
    } catch (error) {
      failures.push(String(error.cause?.code ?? error.name));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log(JSON.stringify({ sent, failures }));
})();`;

/** The address of what stands for a pod of the node. */
const POD_ADDRESS = '192.0.2.10';

/** A Service and its only endpoint, as the controllers of a cluster make them. */
export const serviceYaml = (name: string, clusterIP: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: ${clusterIP}
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-1
  labels: {kubernetes.io/service-name: ${name}}
addressType: IPv4
endpoints: [{addresses: [${POD_ADDRESS}]}]
ports: [{name: http, port: 8080}]
`;

/** A node in a network namespace of its own, with a server on it that stands for a pod. */
export class AgentNode implements AsyncDisposable {
  readonly name: string;
  readonly #children: ChildProcess[] = [];
  #log = '';

  private constructor(name: string) {
    this.name = name;
  }

  static async create(tag: string): Promise<AgentNode> {
    const node = new AgentNode(`podwire-${tag}-${process.pid}`);
    createNamedNetns(`/run/netns/${node.name}`);
    const ip = (...args: string[]) => execFileSync('ip', ['-n', node.name, ...args]);
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
    ip('addr', 'add', '198.51.100.1/24', 'dev', 'eth0');
    ip('addr', 'add', `${POD_ADDRESS}/32`, 'dev', 'lo');
    for (const link of ['eth0', 'eth1']) ip('link', 'set', link, 'up');
    ip('route', 'add', 'default', 'dev', 'eth0');
    const server = node.spawn(process.execPath, ['-e', SERVER]);
    if (server.stdout === null) throw new Error('expected a pipe');
    await once(server.stdout, 'data');
    return node;
  }

  /** The command line that enters the namespace. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** What agents have said so far. */
  get log(): string {
    return this.#log;
  }

  /** Starts a program inside. It ends with the node. */
  spawn(
    program: string,
    args: readonly string[],
    stdin: 'ignore' | 'pipe' = 'ignore',
  ): ChildProcess {
    const [first = '', ...more] = this.prefix;
    const child = spawn(first, [...more, program, ...args], { stdio: [stdin, 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }

  /** Starts an agent. Resolves when it says that it is ready. */
  async startAgent(...args: string[]): Promise<ChildProcess> {
    const from = this.#log.length;
    const own = [
      '--no-warnings',
      ENTRY,
      'agent',
      '--dns-workers=1',
      '--hostname-override=node-1',
      '--admin-socket=',
    ];
    const child = this.spawn(process.execPath, [...own, ...args]);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
      if (process.env.AGENT_LOG !== undefined) appendFileSync(process.env.AGENT_LOG, text);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.stderr?.on('data', () => {
      if (this.#log.slice(from).includes('"msg":"ready"')) resolve();
    });
    child.once('exit', () => reject(new Error(this.#log.slice(from))));
    await promise;
    return child;
  }

  /** What is answered at an address and port, or the code of the error. */
  async fetch(address: string): Promise<string> {
    return this.exec(process.execPath, '-e', CLIENT, `http://${address}`);
  }

  /** Connects to an address all the time. Calling what it gives ends that, and tells how it went. */
  traffic(address: string): () => Promise<{ readonly sent: number; readonly failures: string[] }> {
    const child = this.spawn(process.execPath, ['-e', TRAFFIC, `http://${address}`], 'pipe');
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    return async () => {
      const closed = once(child, 'close');
      child.stdin?.end();
      await closed;
      return JSON.parse(output) as { sent: number; failures: string[] };
    };
  }

  /** The addresses of a name, by the agent. */
  async resolve(name: string): Promise<string> {
    return (await this.exec('dig', '+short', '+tries=1', '@127.0.0.1', name)).trim();
  }

  /** The response code for a name, by the agent. */
  async rcode(name: string): Promise<string> {
    const answer = await this.#dig(name);
    return /status: (\w+)/.exec(answer)?.[1] ?? answer;
  }

  /** What dig says of the extended error (RFC 8914) for a name; undefined where there is none. */
  async extendedError(name: string): Promise<string | undefined> {
    return /EDE: (.*)/.exec(await this.#dig(name))?.[1];
  }

  async #dig(name: string): Promise<string> {
    return await this.exec('dig', '+tries=1', '@127.0.0.1', name);
  }

  /** What the agent says over HTTP. */
  async http(path: string): Promise<string> {
    return this.fetch(`127.0.0.1:10256${path}`);
  }

  /** Takes from the kernel what a reboot takes. */
  forgetRules(): void {
    for (const family of ['ip', 'ip6']) {
      execFileSync('ip', ['netns', 'exec', this.name, 'nft', 'delete', 'table', family, 'podwire']);
    }
  }

  async metrics(): Promise<string> {
    return this.fetch('127.0.0.1:10249/metrics');
  }

  /** The endpoints in the kernel. */
  async rules(): Promise<string> {
    return this.exec('nft', 'list', 'table', 'ip', 'podwire');
  }

  /** Runs a program inside and gives its output, or its error in words. */
  async exec(program: string, ...args: string[]): Promise<string> {
    const [first = '', ...more] = this.prefix;
    try {
      return (await promisify(execFile)(first, [...more, program, ...args])).stdout;
    } catch (error) {
      return String(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    deleteNamedNetns(`/run/netns/${this.name}`);
  }
}
