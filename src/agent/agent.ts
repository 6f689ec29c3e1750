import type { Worker, WorkerOptions } from 'node:worker_threads';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import type { BindAddress } from '../proxy/config/bind-address.ts';
import type { ProxyOptions } from '../proxy/proxy.ts';
import { AgentDns, type AgentDnsOptions } from './dns.ts';
import { HttpServer, type Routes } from './http.ts';
import type { Logger } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { NodeLocalKeeper } from './node-local-keeper.ts';
import { NodeProxy } from './node-proxy.ts';
import { healthRoutes, metricsRoutes } from './routes.ts';
import { setSysctls } from './sysctls.ts';

/** What `podwire agent` is told on the command line. */
export interface AgentOptions {
  readonly version: string;
  /** Directory of Kubernetes YAML. */
  readonly manifests: string;
  readonly proxy: ProxyOptions;
  readonly dns: AgentDnsOptions;
  /** Where /healthz, /livez and /readyz are answered; undefined: nowhere. */
  readonly healthzBindAddress: BindAddress | undefined;
  /** The same of /metrics. */
  readonly metricsBindAddress: BindAddress | undefined;
  /** Ends the start when one of these can't be listened on, which is tried again otherwise. */
  readonly bindAddressHardFail: boolean;
  readonly log: Logger;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
}

/** The daemon: a source, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: NodeProxy;
  readonly #dns: AgentDns;
  readonly #nodeLocal: NodeLocalKeeper | undefined;
  readonly #source: ManifestSource;
  readonly #http: readonly HttpServer[];

  private constructor(
    proxy: NodeProxy,
    dns: AgentDns,
    nodeLocal: NodeLocalKeeper | undefined,
    source: ManifestSource,
    http: readonly HttpServer[],
  ) {
    this.#proxy = proxy;
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
    const proxy = undo.use(new NodeProxy(store, options.proxy, log, metrics));
    const { nodeLocal: addresses } = options.dns;
    const dns = await AgentDns.start(store, options.dns, { ...options, metrics, onFailure });
    metrics.dns = dns;
    let http: readonly HttpServer[];
    let nodeLocal: NodeLocalKeeper | undefined;
    try {
      if (addresses.length > 0) {
        nodeLocal = new NodeLocalKeeper({ addresses, port: dns.port }, log);
        log.info({ addresses: addresses.map(String) }, 'DNS addresses taken over');
      }
      http = await serveHttp(options, proxy, metrics);
    } catch (error) {
      await stopDns(dns, nodeLocal);
      throw error;
    }
    log.info({ dnsPort: dns.port, http: http.map(({ address }) => address) }, 'ready');
    undo.move();
    return new Agent(proxy, dns, nodeLocal, source, http);
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
    for (const http of this.#http) http.close();
  }
}

/** A node that took addresses over gives them back while its server still answers. */
async function stopDns(dns: AgentDns, nodeLocal: NodeLocalKeeper | undefined): Promise<void> {
  const stop = () => dns.stop();
  await (nodeLocal === undefined ? stop() : nodeLocal.giveBack(stop));
}

async function serveHttp(
  options: AgentOptions,
  proxy: NodeProxy,
  metrics: AgentMetrics,
): Promise<readonly HttpServer[]> {
  const { log, bindAddressHardFail: hardFail } = options;
  const servers: readonly (readonly [BindAddress | undefined, Routes])[] = [
    [options.healthzBindAddress, healthRoutes(proxy, metrics)],
    [options.metricsBindAddress, metricsRoutes(metrics, 'nftables')],
  ];
  using opened = new DisposableStack();
  const https: HttpServer[] = [];
  for (const [address, routes] of servers) {
    if (address === undefined) continue;
    const onError = (error: Error) =>
      log.error({ address, error: error.message }, 'can not serve HTTP; trying again');
    https.push(opened.use(await HttpServer.open(address, routes, { hardFail, onError })));
  }
  opened.move();
  return https;
}
