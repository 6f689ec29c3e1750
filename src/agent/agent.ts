import { cpus } from 'node:os';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import type { CorefileSource } from '../dns/corefile/parse.ts';
import { findKubeProxy, KubeProxyRunsError } from '../proxy/beside/kube-proxy.ts';
import { adminRoutes } from './admin/routes.ts';
import { ClusterSources, type SourceChanges, type SourceOptions } from './cluster-sources.ts';
import type { ReloadStatus } from './config/reload-status.ts';
import { AgentDns, type AgentDnsOptions, type DnsNeeds } from './dns.ts';
import type { HealthRegistry } from './health/registry.ts';
import { type HttpAddresses, HttpServers } from './http-servers.ts';
import { type KubeProxySettings, proxyOptionsOf } from './kube-proxy/settings.ts';
import type { Logger } from './log.ts';
import type { Prepared } from './manifests-follower.ts';
import { AgentMetrics } from './metrics.ts';
import { NodeLocalKeeper } from './node-local-keeper.ts';
import { NodeProxy } from './node-proxy.ts';
import { NodeOverlay } from './overlay/node-overlay.ts';
import type { OverlaySettings } from './overlay/settings.ts';
import { openBackend } from './proxy-backend.ts';
import { explainNameRoute, healthRoutes, metricsRoutes } from './routes.ts';
import { Monitor } from './status/monitor.ts';
import { statusPageRoutes } from './status-page/routes.ts';
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
  /** The Unix socket on which root may ask; undefined for none. */
  readonly adminSocket: string | undefined;
  /** Called when root asks that the configuration be read again; resolves when it has been. */
  readonly onReload: () => Promise<void>;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
  /** How following the configuration file goes. */
  readonly reloads: ReloadStatus;
}

/** What is to be otherwise while the agent runs; what is not there stays as it is. */
export interface AgentChanges {
  readonly proxy?: KubeProxySettings;
  readonly http?: KubeProxySettings;
  readonly corefile?: CorefileSource;
  readonly sources?: SourceChanges;
}

/** The daemon: sources, a store, and the two that follow it. */
export class Agent {
  readonly #proxy: NodeProxy;
  readonly #overlay: NodeOverlay | undefined;
  readonly #dns: AgentDns;
  readonly #nodeLocal: NodeLocalKeeper | undefined;
  readonly #sources: ClusterSources;
  readonly #http: HttpServers;
  readonly #options: AgentOptions;
  readonly #monitor: Monitor;

  private constructor(
    options: AgentOptions,
    proxy: NodeProxy,
    overlay: NodeOverlay | undefined,
    dns: AgentDns,
    nodeLocal: NodeLocalKeeper | undefined,
    sources: ClusterSources,
    http: HttpServers,
    monitor: Monitor,
  ) {
    this.#options = options;
    this.#proxy = proxy;
    this.#overlay = overlay;
    this.#dns = dns;
    this.#nodeLocal = nodeLocal;
    this.#sources = sources;
    this.#http = http;
    this.#monitor = monitor;
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
    options.reloads.register(metrics.registry);
    setSysctls(options);
    setConntrackSysctls(options, options.kubeProxy.conntrack, cpus().length);
    using undo = new DisposableStack();
    const { nodeName } = options.kubeProxy;
    const about = { nodeName, userAgent: `podwire/${options.version}` };
    const sources = undo.use(new ClusterSources(options.sources, about, log, metrics, health));
    const { store } = sources;
    const { kubeProxy } = options;
    const opened = openBackend(kubeProxy.mode);
    log.info({ mode: kubeProxy.mode, by: opened.by }, 'how Services are served');
    const backend = isAlone ? opened : { ...opened, removeLeftovers: () => [] };
    const proxy = undo.use(
      new NodeProxy(store, backend, proxyOptionsOf(kubeProxy), log, metrics.proxy, health),
    );
    const overlay = openOverlay(options, sources, metrics);
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
    const notReady = () => sources.notReady() ?? proxy.notReady();
    const corefile = options.dns.corefile?.path;
    const parts = { ...options, nodeName, corefile, sources, proxy, dns, metrics, notReady };
    const monitor = undo.use(new Monitor(parts));
    let nodeLocal: NodeLocalKeeper | undefined;
    const explainName = explainNameRoute(dns);
    const routes = {
      healthz: healthRoutes(proxy, notReady, metrics),
      metrics: {
        ...metricsRoutes(metrics, options.kubeProxy.mode, explainName),
        ...statusPageRoutes(monitor),
      },
      admin: adminRoutes({ monitor, health, explainName, reload: options.onReload }),
    };
    const http = undo.use(new HttpServers(routes, options));
    try {
      if (addresses.length > 0) {
        nodeLocal = new NodeLocalKeeper({ addresses, port: dns.port }, log, health);
        log.info({ addresses: addresses.map(String) }, 'DNS addresses taken over');
      }
      const { kubeProxy, adminSocket } = options;
      await http.start(httpAddresses(kubeProxy, adminSocket), kubeProxy.bindAddressHardFail);
    } catch (error) {
      await stopDns(dns, nodeLocal);
      throw error;
    }
    log.info({ dnsPort: dns.port, http: http.addresses }, 'ready');
    undo.move();
    return new Agent(options, proxy, overlay, dns, nodeLocal, sources, http, monitor);
  }

  /**
   * Makes things otherwise while all goes on. Rejects where that can't be, such as for a port that is
   * taken or a Corefile that is wrong; then nothing has changed.
   */
  async reconfigure({ proxy, http, corefile, sources }: AgentChanges): Promise<void> {
    const servers =
      http === undefined
        ? undefined
        : await this.#http.prepare(httpAddresses(http, this.#options.adminSocket));
    let objects: Prepared | undefined;
    try {
      objects = sources === undefined ? undefined : this.#sources.prepare(sources);
      if (corefile !== undefined) await this.#dns.follow(corefile);
    } catch (error) {
      servers?.discard();
      objects?.discard();
      throw error;
    }
    // From here on nothing can be refused any more.
    objects?.commit();
    await servers?.commit();
    if (proxy === undefined) return;
    setConntrackSysctls(this.#options, proxy.conntrack, cpus().length);
    this.#proxy.reconfigure(proxyOptionsOf(proxy));
  }

  /** Looks whether the Corefile has changed. */
  async reload(): Promise<void> {
    await this.#dns.reload();
  }

  /** In one line, how it is doing. */
  summary(): string {
    return this.#monitor.summary();
  }

  /** Why the work does not go on, though it should; undefined when it does. */
  stuck(): string | undefined {
    return this.#monitor.stuck();
  }

  /** Stops serving. The rules stay in the kernel, so that connections go on. */
  async stop(): Promise<void> {
    // DNS may have to serve on for a while, and is to follow the cluster as long as it does.
    await stopDns(this.#dns, this.#nodeLocal);
    // It writes by way of the sources.
    this.#overlay?.[Symbol.dispose]();
    await this.#sources.stop();
    this.#proxy.close();
    this.#monitor[Symbol.dispose]();
    this.#http[Symbol.dispose]();
  }
}

function openOverlay(
  options: AgentOptions,
  sources: ClusterSources,
  { registry }: AgentMetrics,
): NodeOverlay | undefined {
  const { overlay: settings, kubeProxy, log, health } = options;
  if (settings === undefined) return undefined;
  const { nodeName } = kubeProxy;
  const { store, patch, registration } = sources;
  const about = { store, nodeName, settings, patch, registration, log, health, registry };
  const overlay = new NodeOverlay(about);
  sources.onRegistered = () => overlay.registered();
  return overlay;
}

/** A node that took addresses over gives them back while its server still answers. */
async function stopDns(dns: AgentDns, nodeLocal: NodeLocalKeeper | undefined): Promise<void> {
  const stop = () => dns.stop();
  await (nodeLocal === undefined ? stop() : nodeLocal.giveBack(stop));
}

/** Where the settings have HTTP served. */
function httpAddresses(settings: KubeProxySettings, admin: string | undefined): HttpAddresses {
  const { healthzBindAddress: healthz, metricsBindAddress: metrics } = settings;
  return { healthz, metrics, admin };
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
