import type { ClusterSources } from '../cluster-sources.ts';
import type { AgentDns } from '../dns.ts';
import type { HealthRegistry } from '../health/registry.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { NodeProxy } from '../node-proxy.ts';
import { History, SAMPLE_INTERVAL_MS, type Sample } from './history.ts';
import { podsStatus } from './pods.ts';
import { degradedStatus, iso, nodesStatus, rcodesStatus, serverStatus, tenths } from './report.ts';
import { type AgentStatus, LIST_MAX } from './status.ts';

/** A change that no sync was tried for in this time will not get one. */
const STUCK_MS = 30_000;

/** The parts that are asked, and what is known of the agent as a whole. */
export interface Monitored {
  readonly version: string;
  readonly nodeName: string;
  readonly corefile: string | undefined;
  readonly health: HealthRegistry;
  readonly sources: ClusterSources;
  readonly proxy: NodeProxy;
  readonly dns: AgentDns;
  readonly metrics: AgentMetrics;
  readonly notReady: () => string | undefined;
}

/** Looks at the parts again and again, and tells how they are doing. */
export class Monitor implements Disposable {
  readonly #parts: Monitored;
  readonly #startedMs = Date.now();
  readonly #history = new History();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: Monitored) {
    this.#parts = parts;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** What happened lately, oldest first. */
  get history(): readonly Sample[] {
    return this.#history.samples;
  }

  /** How the agent is doing now. */
  status(): AgentStatus {
    const { version, nodeName, corefile, health, sources, proxy, dns, metrics, notReady } =
      this.#parts;
    const { store } = sources;
    const now = Date.now();
    const rates = this.#history.recentAnswers();
    const servers = (['kube', 'etcd'] as const).flatMap((kind) => {
      const status = metrics[kind].status?.();
      return status === undefined ? [] : [serverStatus(kind, status)];
    });
    const totals = metrics.dnsAnswers();
    return {
      version,
      pid: process.pid,
      nodeName,
      startedAt: iso(this.#startedMs),
      at: iso(now),
      uptimeSeconds: Math.round(process.uptime()),
      memoryBytes: process.memoryUsage.rss(),
      notReady: notReady() ?? null,
      degraded: degradedStatus(health.degraded()),
      sources: [...sources.manifests(), ...servers],
      objects: {
        services: store.services.size,
        endpointSlices: store.sliceCount,
        nodes: store.nodes.size,
        namespaces: store.namespaces.size,
        pods: store.pods.size,
      },
      nodes: nodesStatus(store.nodes, nodeName),
      nodeCount: store.nodes.size,
      proxy: proxy.status(LIST_MAX),
      dns: {
        servers: dns.servers.map(({ label, server: { port } }) => ({ label, port })),
        corefile: corefile ?? null,
        ...dns.published.status(),
        answersPerSecond: tenths(rates.values().reduce((sum, rate) => sum + rate, 0)),
        rcodes: rcodesStatus(totals, rates),
      },
      pods: podsStatus(),
    };
  }

  /** In one line, how the agent is doing. */
  summary(): string {
    const { sources, health, notReady } = this.#parts;
    const reason = notReady();
    if (reason !== undefined) return reason;
    const states = [...health.counts()].flatMap(([state, count]) => (count > 0 ? [state] : []));
    const serving = `serving ${sources.store.services.size} Services`;
    return states.length === 0 ? serving : `${serving}; degraded: ${states.join(', ')}`;
  }

  /** Why the work does not go on, though it should; undefined when it does. */
  stuck(): string | undefined {
    const { waitingMs } = this.#parts.proxy.record;
    if (waitingMs < STUCK_MS) return undefined;
    return `a change of Services waits for ${Math.round(waitingMs / 1000)} s without a sync`;
  }

  #sample(): void {
    const { health, proxy, metrics } = this.#parts;
    // Whoever asks later is told since when something is wrong.
    health.look();
    this.#history.add({
      clockMs: performance.now(),
      atMs: Date.now(),
      syncMs: proxy.record.takeSlowestMs(),
      answers: metrics.dnsAnswers(),
    });
  }
}
