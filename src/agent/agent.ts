import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import type { Store } from '../cluster/store.ts';
import { ClusterDns } from '../dns/dns.ts';
import { localAddresses } from '../dns/local-addresses.ts';
import { TCP_LIMITS } from '../dns/server/tcp-limits.ts';
import { KUBERNETES_ZONE_DEFAULTS } from '../dns/zone/options.ts';
import type { Addr } from '../ipaddr/addr.ts';
import { ConntrackSweeper } from '../proxy/conntrack/sweeper.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import { type ProxyOptions, ServiceProxy } from '../proxy/proxy.ts';
import { ClusterSources, type SourceOptions } from './cluster-sources.ts';
import { serveHttp } from './http.ts';
import type { Logger } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { NodeLocalKeeper } from './node-local-keeper.ts';
import { setSysctls } from './sysctls.ts';

/** What `podwire agent` is told on the command line. */
export interface AgentOptions {
  readonly version: string;
  readonly sources: SourceOptions;
  readonly clusterDomain: string;
  readonly proxy: ProxyOptions;
  readonly dnsAddress: string;
  readonly dnsPort: number;
  /** DNS threads. */
  readonly dnsWorkers: number;
  readonly dnsTtlSeconds: number;
  /** Addresses to take over and answer on, in place of `dnsAddress`; none for that. */
  readonly dnsNodeLocal: readonly Addr[];
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly log: Logger;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
}

/** The daemon: sources, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: ProxyOnceLoaded;
  readonly #backend: NftablesBackend;
  readonly #sweeper: ConntrackSweeper;
  readonly #dns: ClusterDns;
  readonly #nodeLocal: NodeLocalKeeper | undefined;
  readonly #sources: ClusterSources;
  readonly #http: Server;

  private constructor(
    proxy: ProxyOnceLoaded,
    backend: NftablesBackend,
    sweeper: ConntrackSweeper,
    dns: ClusterDns,
    nodeLocal: NodeLocalKeeper | undefined,
    sources: ClusterSources,
    http: Server,
  ) {
    this.#proxy = proxy;
    this.#backend = backend;
    this.#sweeper = sweeper;
    this.#dns = dns;
    this.#nodeLocal = nodeLocal;
    this.#sources = sources;
    this.#http = http;
  }

  /**
   * Starts everything in the namespace the process is in; ready when it resolves. `onFailure` is
   * called when a part dies later. Rejects when the manifests can't be read or a port is taken; an API
   * server may be away.
   */
  static async start(options: AgentOptions, onFailure: (error: Error) => void): Promise<Agent> {
    const { log } = options;
    const metrics = new AgentMetrics(options.version);
    setSysctls(log);
    using undo = new DisposableStack();
    const zone = { ...KUBERNETES_ZONE_DEFAULTS, ttlSeconds: options.dnsTtlSeconds };
    const needs = {
      nodeName: options.proxy.settings.nodeName,
      pods: zone.pods === 'verified' ? 'all' : 'none',
      userAgent: `podwire/${options.version}`,
    } as const;
    const sources = undo.use(new ClusterSources(options.sources, needs, log, metrics));
    const { store } = sources;
    const backend = undo.use(NftablesBackend.open(undefined, { own: false }));
    backend.probe();
    const sweeper = undo.use(openSweeper(options));
    const proxy = undo.use(
      new ProxyOnceLoaded(
        sources,
        () => startProxy(store, backend, sweeper, options, metrics),
        onFailure,
      ),
    );
    const { dnsNodeLocal } = options;
    const isNodeLocal = dnsNodeLocal.length > 0;
    const dns = await ClusterDns.start(store, {
      addresses: isNodeLocal ? dnsNodeLocal.map(String) : [options.dnsAddress],
      port: options.dnsPort,
      workers: options.dnsWorkers,
      zone: {
        ...zone,
        zones: [options.clusterDomain, 'in-addr.arpa', 'ip6.arpa'],
        localAddresses: isNodeLocal ? dnsNodeLocal : localAddresses(options.dnsAddress),
      },
      isSynced: sources.isLoaded,
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
    sources.whenLoaded(() => dns.setSynced(true));
    let http: Server;
    let nodeLocal: NodeLocalKeeper | undefined;
    try {
      if (isNodeLocal) {
        nodeLocal = new NodeLocalKeeper({ addresses: dnsNodeLocal, port: dns.server.port }, log);
        log.info({ addresses: dnsNodeLocal.map(String) }, 'DNS addresses taken over');
      }
      const health = { notReady: () => sources.notReady() ?? proxy.notReady() };
      http = await serveHttp(options.httpAddress, options.httpPort, health, metrics);
    } catch (error) {
      await stopDns(dns, nodeLocal);
      throw error;
    }
    log.info({ dnsPort: dns.server.port, http: http.address() }, 'ready');
    undo.move();
    return new Agent(proxy, backend, sweeper, dns, nodeLocal, sources, http);
  }

  /** Stops serving. The rules stay in the kernel, so that connections go on. */
  async stop(): Promise<void> {
    this.#sources.close();
    this.#proxy.close();
    this.#sweeper.close();
    this.#backend.close();
    this.#http.closeAllConnections();
    this.#http.close();
    await stopDns(this.#dns, this.#nodeLocal);
  }
}

/**
 * The proxy, which starts when the store has all there is. Before, the rules of whoever ran here last
 * are better than rules for half of the Services.
 */
class ProxyOnceLoaded implements Disposable {
  #proxy: ServiceProxy | undefined;

  /** Throws what `start` throws when that is now, and gives it to `onFailure` when it is later. */
  constructor(
    sources: ClusterSources,
    start: () => ServiceProxy,
    onFailure: (error: Error) => void,
  ) {
    if (sources.isLoaded) {
      this.#proxy = start();
      return;
    }
    sources.whenLoaded(() => {
      try {
        this.#proxy = start();
      } catch (error) {
        onFailure(error as Error);
      }
    });
  }

  notReady(): string | undefined {
    return this.#proxy?.synced ? undefined : 'the kernel does not have the rules yet';
  }

  close(): void {
    this.#proxy?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A node that took addresses over gives them back while its server still answers. */
async function stopDns(dns: ClusterDns, nodeLocal: NodeLocalKeeper | undefined): Promise<void> {
  const stop = () => dns.stop();
  await (nodeLocal === undefined ? stop() : nodeLocal.giveBack(stop));
}

function openSweeper({ log, proxy }: AgentOptions): ConntrackSweeper {
  return ConntrackSweeper.open(undefined, proxy.localAddrs, {
    onSweep: ({ deleted, durationSeconds }) => {
      if (deleted > 0) log.info({ flows: deleted, durationSeconds }, 'stale UDP flows forgotten');
    },
    onError: (error) =>
      log.error({ error: error.message }, 'UDP flows can not be looked through; trying again'),
  });
}

function startProxy(
  store: Store,
  backend: NftablesBackend,
  sweeper: ConntrackSweeper,
  options: AgentOptions,
  metrics: AgentMetrics,
): ServiceProxy {
  const { log, proxy } = options;
  return new ServiceProxy(store, backend, proxy, {
    onSync: ({ result, error, durationSeconds, routes, services, conflicts, changes, node }) => {
      sweeper.follow({ changes, node, isApplied: error === undefined });
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
