import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type KeyPair,
  makeAuthority,
  makeCertificate,
} from '../../conformance/kube/certificates.ts';
import { freePorts } from '../../conformance/kube/free-ports.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** What a server is started with. */
export interface EtcdServerOptions {
  /** Asks clients for a certificate. */
  readonly tls?: boolean;
  readonly flags?: readonly string[];
  /** Another program than Debian's. */
  readonly program?: string;
  /** The command line that enters a network namespace, to run there. */
  readonly prefix?: readonly string[];
}

/** A real etcd, on loopback, in a directory of its own. */
export class EtcdServer implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly #options: EtcdServerOptions;
  #authority: KeyPair | undefined;
  #process: ChildProcess | undefined;

  private constructor(options: EtcdServerOptions, port: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'podwire-etcd-'));
    this.#options = options;
    this.port = port;
    if (options.tls !== true) return;
    this.#authority = makeAuthority(this.directory, 'ca');
    const names = 'IP:127.0.0.1,DNS:localhost';
    makeCertificate(this.directory, 'server', this.#authority, '/CN=etcd', names);
  }

  /** Resolves when it answers. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const [port = 0] = await freePorts(1);
    const server = new EtcdServer(options, port);
    await server.start();
    return server;
  }

  get url(): string {
    return `${this.#options.tls === true ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get process(): ChildProcess {
    if (this.#process === undefined) throw new Error('etcd is not running');
    return this.#process;
  }

  /** Who signs the certificates. */
  get authority(): KeyPair {
    if (this.#authority === undefined) throw new Error('expected tls');
    return this.#authority;
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  async start(...flags: string[]): Promise<void> {
    const log = openSync(this.file('etcd.log'), 'a');
    const certificates = [
      '--cert-file',
      this.file('server.crt'),
      '--key-file',
      this.file('server.key'),
    ];
    const trust = ['--client-cert-auth', '--trusted-ca-file', this.file('ca.crt')];
    const [program, all] = this.#command(this.#options.program ?? 'etcd', [
      '--data-dir',
      this.file('data'),
      '--listen-client-urls',
      this.url,
      '--advertise-client-urls',
      this.url,
      '--listen-peer-urls',
      'http://127.0.0.1:0',
      '--unsafe-no-fsync',
      // Tests ask whether the connection lives more often than others may.
      '--grpc-keepalive-min-time',
      '10ms',
      ...(this.#options.tls === true ? [...certificates, ...trust] : []),
      ...(this.#options.flags ?? []),
      ...flags,
    ]);
    this.#process = spawn(program, all, { stdio: ['ignore', log, log] });
    closeSync(log);
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (
      !readFileSync(this.file('etcd.log'), 'utf8').includes('ready to serve client requests')
    ) {
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(
          `etcd is not ready: ${readFileSync(this.file('etcd.log'), 'utf8').slice(-2000)}`,
        );
      }
      await pause(POLL_MS);
    }
  }

  /** Kills it. Its data stays. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    // What it says when it is started again is waited for.
    rmSync(this.file('etcd.log'));
  }

  /** What etcd's own client says, as root where it asks for somebody. */
  etcdctl(...args: string[]): string {
    const { tls } = this.#options;
    const own =
      tls === true
        ? [
            '--cacert',
            this.file('ca.crt'),
            '--cert',
            this.file('server.crt'),
            '--key',
            this.file('server.key'),
          ]
        : [];
    const [program, all] = this.#command('etcdctl', ['--endpoints', this.url, ...own, ...args]);
    return execFileSync(program, all, {
      encoding: 'utf8',
      env: { ...process.env, ETCDCTL_API: '3' },
      stdio: 'pipe',
    });
  }

  /** Has etcd forget what was before now. */
  compact(...user: string[]): void {
    const status = this.etcdctl(...user, 'get', 'any', '-w', 'json');
    const { header } = JSON.parse(status) as { header: { revision: number } };
    this.etcdctl(...user, 'compact', '--physical', String(header.revision));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The command line that runs a program where all of this runs. */
  #command(program: string, args: readonly string[]): [string, string[]] {
    const [first, ...more] = this.#options.prefix ?? [];
    return first === undefined ? [program, [...args]] : [first, [...more, program, ...args]];
  }
}
