import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peerMissing, peerProgram } from '../peers/peer.ts';
import type { Ask } from './proxy-load.ts';
import { NODE_NAME, SERVICE_RANGE } from './proxy-objects.ts';
import { API_ADDRESS, CLIENT_RANGE, ETCD_URL, type Room } from './proxy-room.ts';

/* The real kube-proxy, with a real kube-apiserver and etcd, in a room of `make bench-proxy`. */

export type KubeMode = 'nftables' | 'iptables';

/** Why there is none to compare with; undefined when there is. */
export function kubeMissing(): string | undefined {
  return peerMissing('kubernetes') ?? (etcd() === undefined ? 'no etcd' : undefined);
}

function etcd(): string | undefined {
  return [peerProgram('etcd', 'server'), '/usr/bin/etcd'].find((path) => existsSync(path));
}

/** An API server with its store, and a program that fills it. */
export class KubeApi implements Disposable {
  readonly #directory: string;
  readonly #room: Room;
  readonly #children: ChildProcess[] = [];
  readonly #servers: ChildProcess[] = [];
  readonly #lines: AsyncIterator<string>;
  readonly #loader: ChildProcess;

  private constructor(directory: string, room: Room) {
    this.#directory = directory;
    this.#room = room;
    this.#startEtcd();
    this.#startServer();
    const script = ['--no-warnings', join(import.meta.dirname, 'proxy-load.ts')];
    this.#loader = this.#spawn('node', process.execPath, script, 'inherit');
    if (this.#loader.stdout === null) throw new Error('no output of the loader');
    this.#lines = createInterface({ input: this.#loader.stdout })[Symbol.asyncIterator]();
  }

  /** Starts all of it; ready when it resolves. Its files go below `directory`. */
  static async start(directory: string, room: Room): Promise<KubeApi> {
    const api = new KubeApi(directory, room);
    try {
      await api.ask({ do: 'ready' });
      return api;
    } catch (error) {
      api[Symbol.dispose]();
      throw error;
    }
  }

  /** Has something done in the API server; resolves when it answered. */
  async ask(what: Ask): Promise<void> {
    this.#loader.stdin?.write(`${JSON.stringify(what)}\n`);
    const { done } = await this.#lines.next();
    if (done === true) throw new Error(`the API server could not be asked for ${what.do}`);
  }

  /** The path of a kubeconfig for who runs in the node's namespace. */
  get kubeconfig(): string {
    return this.#write('kubeconfig', {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'bench',
          cluster: { server: `https://${API_ADDRESS}:6443`, 'insecure-skip-tls-verify': true },
        },
      ],
      users: [{ name: 'bench', user: { token: 'bench' } }],
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
      'current-context': 'bench',
    });
  }

  /** Starts a program in the node's namespace, which ends with the API server. */
  run(command: string, ...args: readonly string[]): ChildProcess {
    return this.#spawn('node', command, args);
  }

  /** Ends the API server, and its store with it. */
  stop(): void {
    for (const child of this.#servers) child.kill('SIGKILL');
  }

  /** Starts kube-proxy in the node's namespace, at its defaults but for what is needed to run here. */
  proxy(mode: KubeMode): ChildProcess {
    const config = this.#write('kube-proxy.yaml', {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode,
      clientConnection: { kubeconfig: this.kubeconfig },
      clusterCIDR: CLIENT_RANGE,
      hostnameOverride: NODE_NAME,
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    });
    return this.#spawn('node', peerProgram('kubernetes', 'kube-proxy'), ['--config', config]);
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #spawn(
    place: 'node' | 'api',
    command: string,
    args: readonly string[],
    errors: 'ignore' | 'inherit' = 'ignore',
  ): ChildProcess {
    const child = spawn(...this.#room.enter(place, command, ...args), {
      stdio: ['pipe', 'pipe', errors],
    });
    this.#children.push(child);
    return child;
  }

  #write(name: string, value: unknown): string {
    const path = join(this.#directory, name);
    writeFileSync(path, JSON.stringify(value));
    return path;
  }

  #startEtcd(): void {
    const data = join(this.#directory, 'etcd');
    mkdirSync(data, { mode: 0o700 });
    const client = 'http://127.0.0.1:2379';
    const peer = 'http://127.0.0.1:2380';
    const flags = {
      'data-dir': data,
      'unsafe-no-fsync': 'true',
      'log-level': 'error',
      'listen-client-urls': `${client},${ETCD_URL}`,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
    };
    const child = this.#spawn('api', etcd() ?? 'etcd', formatFlags(flags));
    this.#servers.push(child);
    child.stdout?.resume();
  }

  #startServer(): void {
    const tokens = join(this.#directory, 'tokens.csv');
    writeFileSync(tokens, 'bench,bench,bench,system:masters\n');
    const key = join(this.#directory, 'accounts.key');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(key, privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const flags = {
      'etcd-servers': 'http://127.0.0.1:2379',
      'service-cluster-ip-range': SERVICE_RANGE,
      'service-account-issuer': 'https://bench',
      'service-account-key-file': key,
      'service-account-signing-key-file': key,
      'token-auth-file': tokens,
      'authorization-mode': 'AlwaysAllow',
      'bind-address': API_ADDRESS,
      'advertise-address': API_ADDRESS,
      'secure-port': '6443',
      'cert-dir': this.#directory,
      'disable-admission-plugins': 'ServiceAccount',
      'max-requests-inflight': '0',
      'enable-priority-and-fairness': 'false',
    };
    const program = peerProgram('kubernetes', 'kube-apiserver');
    const child = this.#spawn('api', program, formatFlags(flags));
    this.#servers.push(child);
    child.stdout?.resume();
  }
}

function formatFlags(flags: Readonly<Record<string, string>>): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}
