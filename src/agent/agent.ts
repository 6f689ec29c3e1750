import { cpus } from 'node:os';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { findKubeProxy, KubeProxyRunsError } from '../proxy/beside/kube-proxy.ts';
import { ClusterSources, type SourceOptions } from './cluster-sources.ts';
import { AgentDns, type AgentDnsOptions, type DnsNeeds } from './dns.ts';
import type { HealthRegistry } from './health/registry.ts';
import { HttpServer, type Routes } from './http.ts';
import type { BindAddress } from './kube-proxy/bind-address.ts';
import { type KubeProxySettings, proxyOptionsOf } from './kube-proxy/settings.ts';
import type { Logger } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { NodeLocalKeeper } from './node-local-keeper.ts';
import { NodeProxy } from './node-proxy.ts';
import { NodeOverlay } from './overlay/node-overlay.ts';
import type { OverlaySettings } from './overlay/settings.ts';
import { openBackend } from './proxy-backend.ts';
import { healthRoutes, metricsRoutes } from './routes.ts';
import { setConntrackSysctls, setSysctls } from './sysctls.ts';

/** What `podwire agent` is told on the command line. */
export interface AgentOptions {
  readonly version: string;
  readonly sources: SourceOptions;
  readonly kubeProxy: KubeProxySettings;
  /** Starts though kube-proxy runs on the node. */
  readonly besideKubeProxy: boolean;
  readonly dns: AgentDnsOptions;
  /** How pods of other nodes are reached; undefined where that is not the agent's business. */
  readonly overlay: OverlaySettings | undefined;
  readonly log: Logger;
  /** Where the parts say what is wrong. */
  readonly health: HealthRegistry;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
}

/** The daemon: sources, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: NodeProxy;
  readonly #overlay: NodeOverlay | undefined;
  readonly #dns: AgentDns;
  readonly #nodeLocal: NodeLocalKeeper | undefined;
  readonly #sources: ClusterSources;
  readonly #http: readonly HttpServer[];

  private constructor(
    proxy: NodeProxy,
    overlay: NodeOverlay | undefined,
    dns: AgentDns,
    nodeLocal: NodeLocalKeeper | undefined,
    sources: ClusterSources,
    http: readonly HttpServer[],
  ) {
    this.#proxy = proxy;
    this.#overlay = overlay;
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
    const { log, health } = options;
    // Before anything is changed.
    const isAlone = await lookForKubeProxy(options);
    const metrics = new AgentMetrics(options.version, health, options.kubeProxy.mode);
    setSysctls(options);
    setConntrackSysctls(options, options.kubeProxy.conntrack, cpus().length);
    using undo = new DisposableStack();
    const { nodeName } = options.kubeProxy;
    const about = { nodeName, userAgent: `podwire/${options.version}` };
    const sources = undo.use(new ClusterSources(options.sources, about, log, metrics, health));
    const { store } = sources;
    const { kubeProxy } = options;
    const opened = openBackend(kubeProxy.mode, log);
    const backend = isAlone ? opened : { ...opened, removeLeftovers: () => [] };
    const proxy = undo.use(
      new NodeProxy(store, backend, proxyOptionsOf(kubeProxy), log, metrics.proxy, health),
    );
    const overlay = openOverlay(options, sources);
    if (overlay !== undefined) undo.use(overlay);
    const { nodeLocal: addresses } = options.dns;
    const onNeeds = (needs: DnsNeeds) => sources.serve(needs);
    const dns = await AgentDns.start(store, options.dns, {
      ...options,
      metrics,
      onFailure,
      onNeeds,
    });
    metrics.dns = dns;
    health.probe('corefile-refused', () => dns.refused);
    let http: readonly HttpServer[];
    let nodeLocal: NodeLocalKeeper | undefined;
    try {
      if (addresses.length > 0) {
        nodeLocal = new NodeLocalKeeper({ addresses, port: dns.port }, log, health);
        log.info({ addresses: addresses.map(String) }, 'DNS addresses taken over');
      }
      const notReady = () => sources.notReady() ?? proxy.notReady();
      http = await serveHttp(options, proxy, notReady, metrics, dns);
    } catch (error) {
      await stopDns(dns, nodeLocal);
      throw error;
    }
    log.info({ dnsPort: dns.port, http: http.map(({ address }) => address) }, 'ready');
    undo.move();
    return new Agent(proxy, overlay, dns, nodeLocal, sources, http);
  }

  /** Looks whether the Corefile has changed. */
  async reload(): Promise<void> {
    await this.#dns.reload();
  }

  /** Stops serving. The rules stay in the kernel, so that connections go on. */
  async stop(): Promise<void> {
    // DNS may have to serve on for a while, and is to follow the cluster as long as it does.
    await stopDns(this.#dns, this.#nodeLocal);
    await this.#sources.stop();
    this.#overlay?.[Symbol.dispose]();
    this.#proxy.close();
    for (const http of this.#http) http.close();
  }
}

function openOverlay(options: AgentOptions, sources: ClusterSources): NodeOverlay | undefined {
  const { overlay: settings, kubeProxy, log, health } = options;
  if (settings === undefined) return undefined;
  const { nodeName } = kubeProxy;
  const { store, patch } = sources;
  return new NodeOverlay({ store, nodeName, settings, patch, log, health });
}

/** A node that took addresses over gives them back while its server still answers. */
async function stopDns(dns: AgentDns, nodeLocal: NodeLocalKeeper | undefined): Promise<void> {
  const stop = () => dns.stop();
  await (nodeLocal === undefined ? stop() : nodeLocal.giveBack(stop));
}

async function serveHttp(
  options: AgentOptions,
  proxy: NodeProxy,
  notReady: () => string | undefined,
  metrics: AgentMetrics,
  dns: AgentDns,
): Promise<readonly HttpServer[]> {
  const { log, health, kubeProxy } = options;
  const { bindAddressHardFail: hardFail } = kubeProxy;
  const servers: readonly (readonly [BindAddress | undefined, Routes])[] = [
    [kubeProxy.healthzBindAddress, healthRoutes(proxy, notReady, metrics)],
    [kubeProxy.metricsBindAddress, metricsRoutes(metrics, kubeProxy.mode, dns)],
  ];
  using opened = new DisposableStack();
  const https: HttpServer[] = [];
  for (const [address, routes] of servers) {
    if (address === undefined) continue;
    const listenFailed = (text: string | undefined) =>
      health.reportOne('listen-failed', `${address.host}:${address.port}`, text);
    const onError = (error: Error) => {
      listenFailed(error.message);
      log.error({ address, error: error.message }, 'can not serve HTTP; trying again');
    };
    const onListening = () => listenFailed(undefined);
    const events = { hardFail, onError, onListening };
    https.push(opened.use(await HttpServer.open(address, routes, events)));
  }
  opened.move();
  return https;
}

/** Throws KubeProxyRunsError when one runs and is not to be borne. Whether none does. */
async function lookForKubeProxy(options: AgentOptions): Promise<boolean> {
  const { log, health, besideKubeProxy, kubeProxy } = options;
  const found = await findKubeProxy();
  const { live, rules } = found;
  if (live.length === 0) {
    // In the same mode they are taken over as they are.
    const isOther = (rule: string) => kubeProxy.mode !== 'iptables' || !rule.startsWith('chain ');
    const others = rules.filter(isOther);
    if (others.length > 0) log.info({ rules: others }, LEFT_OVER);
    return true;
  }
  if (!besideKubeProxy) throw new KubeProxyRunsError(found);
  health.report('beside-kube-proxy', live.join(', '));
  log.warn({ live, rules }, 'kube-proxy runs on this node, too');
  return false;
}

const LEFT_OVER =
  'rules by the names of kube-proxy, which does not run; once ours are there they go';
