import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import type { Answer, Query } from '../dns/ask.ts';
import type { Got, Order, Result, UpstreamScript } from './inside.ts';

const READY_TIMEOUT_MS = 30_000;
const WAIT_TIMEOUT_MS = 20_000;
/** Where the agent answers; no Service of the fixtures has it. */
export const DNS_ADDRESS = '172.31.0.53';

/** How the agent is started. */
export interface StationOptions {
  readonly corefile: string;
  /** Files of manifests. */
  readonly manifests: readonly string[];
  /** What /etc/resolv.conf says. */
  readonly nameservers?: readonly string[];
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Sends SIGHUP as soon as the agent says that it is starting. */
  readonly hangsUp?: boolean;
}

/** A namespace with a real agent in it that runs a Corefile, and somebody who asks it. */
export class Station implements AsyncDisposable {
  readonly directory: string;
  readonly netns: string;
  readonly corefile: string;
  /** Lines of the agent's log. */
  readonly log: string[] = [];
  readonly #inside: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Result>>();
  #agent: ChildProcess | undefined;
  #orders = 0;

  private constructor(netns: string, directory: string, inside: ChildProcess) {
    this.netns = netns;
    this.directory = directory;
    this.corefile = join(directory, 'Corefile');
    this.#inside = inside;
    inside.on('message', (message) => {
      const { id, result, error } = message as { id: number; result: Result; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
  }

  /** Makes the namespace, its resolv.conf with `more` lines; `start` then starts the agent in it. */
  static async open(
    tag: string,
    nameservers: readonly string[] = ['127.0.0.1'],
    more: readonly string[] = [],
  ): Promise<Station> {
    const netns = `podwire-${tag}-${process.pid}`;
    const directory = mkdtempSync(join(tmpdir(), `${netns}-`));
    createNamedNetns(`/run/netns/${netns}`);
    const ip = (...args: string[]) => execFileSync('ip', ['-n', netns, ...args]);
    ip('link', 'set', 'lo', 'up');
    ip('addr', 'add', `${DNS_ADDRESS}/32`, 'dev', 'lo');
    // What `ip netns exec` puts in the place of the machine's own file.
    mkdirSync(`/etc/netns/${netns}`, { recursive: true });
    const lines = [...nameservers.map((each) => `nameserver ${each}`), ...more];
    writeFileSync(`/etc/netns/${netns}/resolv.conf`, `${lines.join('\n')}\n`);
    using namespace = Netns.open(`/run/netns/${netns}`);
    const inside = namespace.run(() =>
      fork(join(import.meta.dirname, 'inside.ts'), { execArgv: ['--no-warnings'] }),
    );
    await once(inside, 'message');
    return new Station(netns, directory, inside);
  }

  /** Starts the agent; resolves when it is ready, rejects with its log when it ends instead. */
  async start({
    corefile,
    manifests,
    args = [],
    environment,
    hangsUp = false,
  }: StationOptions): Promise<void> {
    const folder = join(this.directory, 'manifests');
    mkdirSync(folder, { recursive: true });
    manifests.forEach((file, index) => {
      copyFileSync(file, join(folder, `${index}.yaml`));
    });
    this.write(corefile);
    const entry = join(import.meta.dirname, '../../../src/entry.ts');
    const command = [process.execPath, '--no-warnings', entry, 'agent'];
    const agent = spawn(
      'ip',
      [
        'netns',
        'exec',
        this.netns,
        ...command,
        '--manifests',
        folder,
        '--corefile',
        this.corefile,
        '--admin-socket=',
        '--dns-address',
        DNS_ADDRESS,
        '--dns-workers',
        '1',
        ...args,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } },
    );
    this.#agent = agent;
    agent.stderr.setEncoding('utf8');
    let rest = '';
    agent.stderr.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      this.log.push(...lines);
      if (hangsUp && lines.some((line) => line.includes('"msg":"starting"'))) agent.kill('SIGHUP');
    });
    const late = AbortSignal.timeout(READY_TIMEOUT_MS);
    while (!this.log.some((line) => line.includes('"msg":"ready"'))) {
      await Promise.race([
        once(agent.stderr, 'data', { signal: late }),
        once(agent, 'exit').then(() => Promise.reject(new Error(this.log.join('\n') + rest))),
      ]);
    }
  }

  write(corefile: string): void {
    writeFileSync(this.corefile, corefile);
  }

  /** Sends the agent a signal. */
  kill(signal: NodeJS.Signals): void {
    // The agent is what `ip netns exec` became.
    this.#agent?.kill(signal);
  }

  /** Stops the agent by SIGTERM and gives its exit status. */
  async stop(): Promise<number | null> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined) return null;
    if (agent.exitCode === null && agent.signalCode === null) {
      agent.kill('SIGTERM');
      await once(agent, 'exit');
    }
    return agent.exitCode;
  }

  async ask(
    transport: 'udp' | 'tcp',
    query: Query,
    port = 53,
    address = DNS_ADDRESS,
  ): Promise<Answer> {
    return (await this.#do({ do: 'ask', address, port, transport, query })) as Answer;
  }

  /** Asks over one TCP connection; answers in the order they come. */
  async pipeline(queries: readonly Query[]): Promise<readonly Answer[]> {
    const order = { do: 'pipeline', address: DNS_ADDRESS, port: 53, queries } as const;
    return (await this.#do(order)) as readonly Answer[];
  }

  async get(url: string): Promise<Got> {
    return (await this.#do({ do: 'get', url })) as Got;
  }

  /** Asks by UDP, many at a time, and gives the answers in the order of the questions. */
  async askAll(queries: readonly Query[]): Promise<readonly Answer[]> {
    const order = { do: 'askAll', address: DNS_ADDRESS, port: 53, queries } as const;
    return (await this.#do(order)) as readonly Answer[];
  }

  /** Has an upstream say this. */
  async upstream(script: UpstreamScript, port = 53, address = '127.0.0.1'): Promise<void> {
    await this.#do({ do: 'upstream', port, address, script });
  }

  /** What an upstream was asked so far, as `name type`. */
  async asked(port = 53): Promise<readonly string[]> {
    return (await this.#do({ do: 'asked', port })) as readonly string[];
  }

  async closeUpstream(port = 53): Promise<void> {
    await this.#do({ do: 'close', port });
  }

  /** Waits until the log has a line with the text, from line `from` on. */
  async logged(text: string, from = 0): Promise<string> {
    const late = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    for (;;) {
      const line = this.log.slice(from).find((each) => each.includes(text));
      if (line !== undefined) return line;
      if (late.aborted) throw new Error(`no "${text}" in\n${this.log.slice(from).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const agent = this.#agent;
    if (agent !== undefined && agent.exitCode === null && agent.signalCode === null) {
      agent.kill('SIGKILL');
      await once(agent, 'exit');
    }
    this.#inside.disconnect();
    await once(this.#inside, 'exit');
    deleteNamedNetns(`/run/netns/${this.netns}`);
    rmSync(`/etc/netns/${this.netns}`, { recursive: true, force: true });
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #do(order: Order): Promise<Result> {
    this.#orders += 1;
    const id = this.#orders;
    const waiting = Promise.withResolvers<Result>();
    this.#waiting.set(id, waiting);
    this.#inside.send({ id, order });
    return await waiting.promise;
  }
}
