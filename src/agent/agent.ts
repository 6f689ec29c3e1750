import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import { ClusterDns } from '../dns/dns.ts';
import { localAddresses } from '../dns/local-addresses.ts';
import { TCP_LIMITS } from '../dns/server/tcp-limits.ts';
import { KUBERNETES_ZONE_DEFAULTS } from '../dns/zone/options.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import { ServiceProxy } from '../proxy/proxy.ts';
import { serveHttp } from './http.ts';
import type { Logger } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { setSysctls } from './sysctls.ts';

/** What `podwire agent` is told on the command line. */
export interface AgentOptions {
  readonly version: string;
  /** Directory of Kubernetes YAML. */
  readonly manifests: string;
  readonly clusterDomain: string;
  readonly dnsAddress: string;
  readonly dnsPort: number;
  /** DNS threads. */
  readonly dnsWorkers: number;
  readonly dnsTtlSeconds: number;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly log: Logger;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
}

/** The daemon: a source, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: ServiceProxy;
  readonly #backend: NftablesBackend;
  readonly #dns: ClusterDns;
  readonly #source: ManifestSource;
  readonly #http: Server;

  private constructor(
    proxy: ServiceProxy,
    backend: NftablesBackend,
    dns: ClusterDns,
    source: ManifestSource,
    http: Server,
  ) {
    this.#proxy = proxy;
    this.#backend = backend;
    this.#dns = dns;
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
    const backend = undo.use(NftablesBackend.open());
    const proxy = undo.use(startProxy(store, backend, metrics, log));
    const dns = await ClusterDns.start(store, {
      addresses: [options.dnsAddress],
      port: options.dnsPort,
      workers: options.dnsWorkers,
      zone: {
        ...KUBERNETES_ZONE_DEFAULTS,
        zones: [options.clusterDomain, 'in-addr.arpa', 'ip6.arpa'],
        ttlSeconds: options.dnsTtlSeconds,
        localAddresses: localAddresses(options.dnsAddress),
      },
      answerer: { cookieSecret: randomBytes(16), tcpIdleMs: TCP_LIMITS.idleTimeoutMs },
      onFailure,
      onPublish: (publication) => {
        metrics.published(publication);
        const { names, durationSeconds } = publication;
        log.debug({ names, durationSeconds }, 'DNS names published');
      },
      ...(options.spawnWorker === undefined ? {} : { spawnWorker: options.spawnWorker }),
    });
    metrics.dns = dns;
    let http: Server;
    try {
      const health = {
        notReady: () => (proxy.synced ? undefined : 'the kernel does not have the rules yet'),
      };
      http = await serveHttp(options.httpAddress, options.httpPort, health, metrics);
    } catch (error) {
      await dns.stop();
      throw error;
    }
    log.info({ dnsPort: dns.server.port, http: http.address() }, 'ready');
    undo.move();
    return new Agent(proxy, backend, dns, source, http);
  }

  /** Stops serving. The rules stay in the kernel, so that connections go on. */
  async stop(): Promise<void> {
    this.#source.close();
    this.#proxy.close();
    this.#backend.close();
    this.#http.closeAllConnections();
    this.#http.close();
    await this.#dns.stop();
  }
}

function startProxy(
  store: Store,
  backend: NftablesBackend,
  metrics: AgentMetrics,
  log: Logger,
): ServiceProxy {
  return new ServiceProxy(store, backend, {
    onSync: ({ changes, error, durationSeconds, routes, services, conflicts }) => {
      metrics.synced(durationSeconds, error !== undefined, services);
      for (const conflict of conflicts) {
        log.warn(conflict, 'two Services want one address and port');
      }
      if (error !== undefined) log.error({ error: error.message }, 'rules refused; trying again');
      else if (changes !== 0) log.info({ changes, routes, durationSeconds }, 'rules changed');
    },
  });
}
