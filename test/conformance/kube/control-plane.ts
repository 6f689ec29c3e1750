import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { peerProgram } from '../../peers/peer.ts';
import { type KeyPair, makeAuthority, makeCertificate } from './certificates.ts';
import { freePorts } from './free-ports.ts';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** etcd takes 128 by default. */
const ETCD_PUTS_AT_ONCE = 100;

/** Who may do what: all, and what deploy/rbac.yaml grants. */
export const TOKENS = { admin: 'token-of-admin', podwire: 'token-of-podwire' } as const;

/** What a control plane is started with. */
export interface ControlPlaneOptions {
  /** Debian's cannot tell how far it is, so the API server does not stream lists; the peer's can. */
  readonly etcd: 'debian' | 'peer';
  /** The command line that enters a network namespace, to run all of it there. */
  readonly prefix?: readonly string[];
  /** More flags of the API server; the last of a name counts. */
  readonly serverFlags?: readonly string[];
}

/** A real kube-apiserver with a real etcd, on loopback, in a directory of their own. */
export class ControlPlane implements AsyncDisposable {
  readonly directory: string;
  readonly authority: KeyPair;
  readonly port: number;
  readonly #etcdPort: number;
  readonly #options: ControlPlaneOptions;
  /** Whose certificate the server presents. */
  #trusted = '';
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(options: ControlPlaneOptions, ports: readonly number[]) {
    this.directory = mkdtempSync(join(tmpdir(), 'podwire-kube-'));
    this.#options = options;
    [this.port, this.#etcdPort] = [ports[0] ?? 0, ports[1] ?? 0];
    this.authority = makeAuthority(this.directory, 'ca');
    this.makeServerCertificate(this.authority);
    this.makeAccountsKey();
    this.writeTokens({ [TOKENS.admin]: 'admin,1,"system:masters"' });
    this.#write('audit-policy.yaml', {
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Metadata' }],
    });
  }

  /** Resolves when the API server answers. */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const plane = new ControlPlane(options, await freePorts(3));
    try {
      plane.startEtcd();
      await plane.startServer();
      return plane;
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** The API server's process. */
  get server(): ChildProcess {
    if (this.#server === undefined) throw new Error('the API server is not running');
    return this.#server;
  }

  startEtcd(): void {
    const program = this.#options.etcd === 'debian' ? 'etcd' : peerProgram('etcd', 'server');
    const url = `http://127.0.0.1:${this.#etcdPort}`;
    this.#etcd = this.#spawn('etcd', program, [
      `--data-dir=${join(this.directory, 'etcd')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      '--listen-peer-urls=http://127.0.0.1:0',
      '--unsafe-no-fsync',
    ]);
  }

  /** Starts the API server and waits until it answers. */
  async startServer(...more: string[]): Promise<void> {
    const file = (name: string) => join(this.directory, name);
    this.#server = this.#spawn('apiserver', peerProgram('kubernetes', 'kube-apiserver'), [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.port}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      `--service-account-key-file=${file('accounts.crt')}`,
      `--service-account-signing-key-file=${file('accounts.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--disable-admission-plugins=ServiceAccount',
      `--client-ca-file=${this.authority.cert}`,
      `--tls-cert-file=${file('server.crt')}`,
      `--tls-private-key-file=${file('server.key')}`,
      `--cert-dir=${this.directory}`,
      `--audit-policy-file=${file('audit-policy.yaml')}`,
      `--audit-log-path=${file('audit.log')}`,
      ...(this.#options.serverFlags ?? []),
      ...more,
    ]);
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await this.#isReady())) {
      if (this.server.exitCode !== null || Date.now() > deadline) {
        const log = readFileSync(file('apiserver.log'), 'utf8').split('\n').slice(-5).join('\n');
        throw new Error(`the API server is not ready: ${log}`);
      }
      await pause(POLL_MS);
    }
  }

  async stopServer(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#server, signal);
    this.#server = undefined;
  }

  async stopEtcd(): Promise<void> {
    await end(this.#etcd, 'SIGKILL');
    this.#etcd = undefined;
  }

  /** Has the server present another certificate after its next start. */
  makeServerCertificate(authority: KeyPair): void {
    const names = 'IP:127.0.0.1,DNS:localhost';
    makeCertificate(this.directory, 'server', authority, '/CN=kube-apiserver', names);
    this.#trusted = authority.cert;
  }

  /** Has the server sign tokens of service accounts with another key after its next start. */
  makeAccountsKey(): void {
    makeCertificate(this.directory, 'accounts', this.authority, '/CN=accounts');
  }

  /** Puts a file in another one's place at once. */
  copy(from: string, to: string): void {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  }

  /** The users by token, after the server's next start: `name,id,"group"`. */
  writeTokens(users: Readonly<Record<string, string>>): void {
    const own = { [TOKENS.podwire]: 'system:serviceaccount:kube-system:podwire,2', ...users };
    const lines = Object.entries(own).map(([token, user]) => `${token},${user}\n`);
    writeFileSync(join(this.directory, 'tokens.csv'), lines.join(''));
  }

  /** Writes a kubeconfig for a user, by default one with podwire's token. Gives its path. */
  kubeconfig(
    name: string,
    user: Readonly<Record<string, unknown>> = { token: TOKENS.podwire },
    cluster: Readonly<Record<string, unknown>> = {},
  ): string {
    return this.#write(`${name}.kubeconfig`, {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'local', user: 'me' } }],
      clusters: [
        {
          name: 'local',
          cluster: { server: this.url, 'certificate-authority': this.#trusted, ...cluster },
        },
      ],
      users: [{ name: 'me', user }],
    });
  }

  /** Runs kubectl as the administrator and gives its output. */
  kubectl(input: string, ...args: string[]): string {
    const kubeconfig = this.kubeconfig('admin', { token: TOKENS.admin });
    const own = [`--kubeconfig=${kubeconfig}`, ...args];
    const [program, all] = this.#command(peerProgram('kubernetes', 'kubectl'), own);
    return execFileSync(program, all, {
      input,
      encoding: 'utf8',
      stdio: 'pipe',
      env: { ...process.env, HOME: this.directory },
    });
  }

  /** A request of the administrator; gives the JSON of the answer. */
  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const sent = request(
      `${this.url}${path}`,
      {
        method,
        ca: readFileSync(this.#trusted),
        headers: { authorization: `Bearer ${TOKENS.admin}`, 'content-type': 'application/json' },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          if ((response.statusCode ?? 500) < 300) resolve(text === '' ? {} : JSON.parse(text));
          else reject(new Error(`${method} ${path}: ${response.statusCode}: ${text}`));
        });
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  /** Has etcd forget what was before now. */
  async compact(): Promise<void> {
    const { header } = await this.#askEtcd('kv/range', { key: 'AA==' });
    await this.#askEtcd('kv/compaction', { revision: header.revision, physical: true });
  }

  /**
   * Puts objects where the API server keeps them, past it: thousands of them in a second. It hears of them
   * as of its own.
   */
  async store(objects: Readonly<Record<string, unknown>>): Promise<void> {
    const puts = Object.entries(objects).map(([path, object]) => ({
      requestPut: { key: base64(`/registry/${path}`), value: base64(JSON.stringify(object)) },
    }));
    for (let at = 0; at < puts.length; at += ETCD_PUTS_AT_ONCE) {
      await this.#askEtcd('kv/txn', { success: puts.slice(at, at + ETCD_PUTS_AT_ONCE) });
    }
  }

  /** What podwire's user asked for: `verb resource`, and the status it got. */
  audit(): { readonly request: string; readonly status: number }[] {
    return readFileSync(join(this.directory, 'audit.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"system:serviceaccount:kube-system:podwire"'))
      .map((line) => {
        const { verb, objectRef, responseStatus } = JSON.parse(line) as {
          verb: string;
          objectRef?: { resource?: string };
          responseStatus?: { code?: number };
        };
        const request = `${verb} ${objectRef?.resource ?? ''}`;
        return { request, status: responseStatus?.code ?? 0 };
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopServer();
    await this.stopEtcd();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #askEtcd(path: string, body: unknown): Promise<{ header: { revision: string } }> {
    const url = `http://127.0.0.1:${this.#etcdPort}/v3/${path}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`etcd: ${path}: ${await response.text()}`);
    return (await response.json()) as { header: { revision: string } };
  }

  /** Whether it answers, has made the Service by which pods reach it, and takes others. */
  async #isReady(): Promise<boolean> {
    const own = 'namespaces/default/endpointslices/kubernetes';
    try {
      if (this.#options.prefix === undefined) {
        await this.api('GET', `/apis/discovery.k8s.io/v1/${own}`);
        await this.api('GET', '/api/v1/namespaces/default/services/kubernetes');
        await this.api('POST', '/api/v1/namespaces/default/services?dryRun=All', {
          metadata: { name: 'any' },
          spec: { ports: [{ port: 80 }] },
        });
      } else {
        this.kubectl('', 'get', 'service/kubernetes', 'endpointslice/kubernetes');
        this.kubectl('', 'create', 'service', 'clusterip', 'any', '--tcp=80', '--dry-run=server');
      }
      return true;
    } catch {
      return false;
    }
  }

  #write(name: string, value: unknown): string {
    const file = join(this.directory, name);
    writeFileSync(file, JSON.stringify(value));
    return file;
  }

  /** The command line that runs a program where all of this runs. */
  #command(program: string, args: readonly string[]): [string, string[]] {
    const [first, ...more] = this.#options.prefix ?? [];
    return first === undefined ? [program, [...args]] : [first, [...more, program, ...args]];
  }

  #spawn(name: string, program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.directory, `${name}.log`), 'a');
    const child = spawn(...this.#command(program, args), { stdio: ['ignore', log, log] });
    closeSync(log);
    return child;
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  // One that was stopped takes no other signal before it goes on.
  if (signal !== 'SIGKILL') child.kill('SIGCONT');
  await exited;
}
