import type { Server } from 'node:http';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import { type ProxyOptions, ServiceProxy } from '../proxy/proxy.ts';
import { AgentDns, type AgentDnsOptions } from './dns.ts';
import { serveHttp } from './http.ts';
import type { Logger } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { NodeLocalKeeper } from './node-local-keeper.ts';
import { setSysctls } from './sysctls.ts';

/** What `podwire agent` is told on the command line. */
export interface AgentOptions {
  readonly version: string;
  /** Directory of Kubernetes YAML. */
  readonly manifests: string;
  readonly proxy: ProxyOptions;
  readonly dns: AgentDnsOptions;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly log: Logger;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
}

/** The daemon: a source, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: ServiceProxy;
  readonly #backend: NftablesBackend;
  readonly #dns: AgentDns;
  readonly #nodeLocal: NodeLocalKeeper | undefined;
  readonly #source: ManifestSource;
  readonly #http: Server;

  private constructor(
    proxy: ServiceProxy,
    backend: NftablesBackend,
    dns: AgentDns,
    nodeLocal: NodeLocalKeeper | undefined,
    source: ManifestSource,
    http: Server,
  ) {
    this.#proxy = proxy;
    this.#backend = backend;
    this.#dns = dns;
    this.#nodeLocal = nodeLocal;
    this.#source = source;
    this.#http = http;
  }

  /**
   * Starts everything in the namespace the process is in; ready when it resolves. `onFailure` is
   * called when a part dies later. Rejects when the manifests can't be read or a port is taken.
   */
  static async start(options: AgentOptions, onFailure: (error: Error) => void): Promise<Agent> {
    const { log } = options;
    const metrics = new AgentMetrics(options.version);
    setSysctls(log);
    using undo = new DisposableStack();
    const store = new Store();
    const source: ManifestSource = new ManifestSource(options.manifests, store, {
      onError: (error) => {
        metrics.manifestErrors(source.errors.length);
        log.error({ error: error.message }, 'manifest refused; the last good state stays in force');
      },
      onRecovered: () => {
        metrics.manifestErrors(0);
        log.info('manifests are well again');
      },
    });
    undo.use(source);
    source.start();
    log.info({ objects: store.size, manifests: options.manifests }, 'manifests read');
    const backend = undo.use(NftablesBackend.open(undefined, { own: false }));
    backend.probe();
    const proxy = undo.use(startProxy(store, backend, options, metrics));
    const { nodeLocal: addresses } = options.dns;
    const dns = await AgentDns.start(store, options.dns, { ...options, metrics, onFailure });
    metrics.dns = dns;
    let http: Server;
    let nodeLocal: NodeLocalKeeper | undefined;
    try {
      if (addresses.length > 0) {
        nodeLocal = new NodeLocalKeeper({ addresses, port: dns.port }, log);
        log.info({ addresses: addresses.map(String) }, 'DNS addresses taken over');
      }
      const health = {
        notReady: () => (proxy.synced ? undefined : 'the kernel does not have the rules yet'),
      };
      http = await serveHttp(options.httpAddress, options.httpPort, health, metrics);
    } catch (error) {
      await stopDns(dns, nodeLocal);
      throw error;
    }
    log.info({ dnsPort: dns.port, http: http.address() }, 'ready');
    undo.move();
    return new Agent(proxy, backend, dns, nodeLocal, source, http);
  }

  /** Looks whether the Corefile has changed. */
  async reload(): Promise<void> {
    await this.#dns.reload();
  }

  /** Stops serving. The rules stay in the kernel, so that connections go on. */
  async stop(): Promise<void> {
    // DNS may have to serve on for a while, and is to follow the cluster as long as it does.
    await stopDns(this.#dns, this.#nodeLocal);
    this.#source.close();
    this.#proxy.close();
    this.#backend.close();
    this.#http.closeAllConnections();
    this.#http.close();
  }
}

/** A node that took addresses over gives them back while its server still answers. */
async function stopDns(dns: AgentDns, nodeLocal: NodeLocalKeeper | undefined): Promise<void> {
  const stop = () => dns.stop();
  await (nodeLocal === undefined ? stop() : nodeLocal.giveBack(stop));
}

function startProxy(
  store: Store,
  backend: NftablesBackend,
  options: AgentOptions,
  metrics: AgentMetrics,
): ServiceProxy {
  const { log, proxy } = options;
  return new ServiceProxy(store, backend, proxy, {
    onSync: ({ result, error, durationSeconds, routes, services, conflicts }) => {
      metrics.synced(durationSeconds, error !== undefined, services);
      for (const conflict of conflicts) {
        log.warn(conflict, 'two Services want one address and port');
      }
      for (const { route, error: reason } of result?.quarantined ?? []) {
        log.error({ service: route.name, error: reason.message }, 'the kernel refuses a Service');
      }
      if (error !== undefined) log.error({ error: error.message }, 'rules refused; trying again');
      else if (result !== undefined && result.changes !== 0) {
        log.info({ changes: result.changes, routes, durationSeconds }, 'rules changed');
      }
    },
    onDrift: () => log.warn('somebody else changed the rules; repairing them'),
  });
}
