import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { vi } from 'vitest';

/*
 * An agent in a network namespace, as users start it, with manifests that tests write.
 */

const ENTRY = join(import.meta.dirname, '../../../src/entry.ts');
const DEADLINE_MS = 20_000;

/** A line of the agent's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** An answer over HTTP. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The agent's arguments that keep its DNS out of the way. */
const QUIET_DNS = ['--dns-address', '127.0.0.1', '--dns-port', '0', '--dns-workers', '1'];

/** What asks over HTTP from inside of a namespace. */
const ASK = `
  const { request } = require('node:http');
  const options = { agent: false, timeout: 2000, method: process.argv[2] };
  const asked = request(process.argv[1], options, (response) => {
    let body = '';
    response.on('data', (data) => { body += data; });
    response.on('end', () => {
      const { statusCode: status, headers } = response;
      console.log(JSON.stringify({ status, headers, body }));
    });
  });
  asked.on('error', ({ code }) => console.log(JSON.stringify({ status: 0, headers: {}, body: code })));
  asked.on('timeout', () => asked.destroy());
  asked.end();
`;

/** Asks over HTTP in a namespace; a failure has the status 0 and its code as the body. */
export function ask(netns: string, url: string, method = 'GET'): HttpAnswer {
  const args = ['netns', 'exec', netns, process.execPath, '-e', ASK, url, method];
  return JSON.parse(execFileSync('ip', args, { encoding: 'utf8' })) as HttpAnswer;
}

/** A running `podwire agent`. */
export class RunningAgent implements AsyncDisposable {
  readonly log: LogLine[] = [];
  readonly directory: string;
  /** Its admin socket. */
  readonly socket: string;
  readonly #child: ChildProcess;
  /** What it wrote that is no line of the log. */
  stderr = '';

  private constructor(
    netns: string,
    args: readonly string[],
    directory: string,
    environment: Readonly<Record<string, string>>,
  ) {
    this.directory = directory;
    this.socket = join(`${directory}-run`, 'agent.sock');
    const command = [process.execPath, '--no-warnings', ENTRY, 'agent'];
    const admin = args.includes('--admin-socket') ? [] : ['--admin-socket', this.socket];
    const own = [...QUIET_DNS, ...admin];
    const all = ['netns', 'exec', netns, ...command, ...own, ...args];
    this.#child = spawn('ip', all, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    });
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('no pipe to the agent');
    createInterface({ input: stderr }).on('line', (line) => {
      if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine);
      else this.stderr += `${line}\n`;
    });
  }

  /** Starts one and waits until it is ready, or has ended. */
  static async start(
    netns: string,
    objects: readonly object[],
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<RunningAgent> {
    const directory = mkdtempSync(join(tmpdir(), 'podwire-agent-'));
    const own = ['--manifests', directory, ...args];
    const agent = new RunningAgent(netns, own, directory, environment);
    agent.write(objects);
    await agent.#started();
    return agent;
  }

  /** The same of one whose arguments say where its objects are. */
  static async startAlone(netns: string, args: readonly string[]): Promise<RunningAgent> {
    const agent = new RunningAgent(netns, args, mkdtempSync(join(tmpdir(), 'podwire-agent-')), {});
    await agent.#started();
    return agent;
  }

  async #started(): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.exitCode === null && !this.logged('ready')) throw new Error(this.told());
      },
      { timeout: DEADLINE_MS, interval: 20 },
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Null while it runs. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Makes these all the objects there are. */
  write(objects: readonly object[]): void {
    const file = join(this.directory, 'objects.yaml');
    if (objects.length === 0) {
      // A file that lost all its objects is taken for one that is being written.
      rmSync(file, { force: true });
      return;
    }
    writeFileSync(
      `${file}.tmp`,
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
    renameSync(`${file}.tmp`, file);
  }

  /** Whether it logged a message. */
  logged(message: string): boolean {
    return this.log.some(({ msg }) => msg === message);
  }

  /** All it said, for failures. */
  told(): string {
    return `${this.log.map((line) => JSON.stringify(line)).join('\n')}\n${this.stderr}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await once(this.#child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.directory, { recursive: true });
    rmSync(`${this.directory}-run`, { recursive: true, force: true });
  }
}

/** Calls `check` until it does not throw any more. */
export async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: DEADLINE_MS, interval: 50 });
}
