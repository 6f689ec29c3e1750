import type { Store } from '../cluster/store.ts';
import { ConntrackSweeper } from '../proxy/conntrack/sweeper.ts';
import { type HealthReport, NodeEligibility, ProxyHealth } from '../proxy/health/proxy-health.ts';
import { ServiceHealth } from '../proxy/health/service-health.ts';
import { NftablesBackend } from '../proxy/nftables/backend.ts';
import { type ProxyOptions, ServiceProxy, type Sync } from '../proxy/proxy.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

/** Something may wait for the kernel this long until the proxy counts as ill: two sync periods. */
const HEALTH_TIMEOUT_MS = 60_000;

/** The Service proxy with all that follows its syncs: flows, health and metrics. */
export class NodeProxy implements Disposable {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #parts = new DisposableStack();
  readonly #health = new ProxyHealth(HEALTH_TIMEOUT_MS);
  readonly #eligibility: NodeEligibility;
  readonly #sweeper: ConntrackSweeper;
  readonly #serviceHealth: ServiceHealth;
  readonly #proxy: ServiceProxy;

  /**
   * Starts it in the namespace the process is in, with the Services the store has. Throws
   * KernelLacksError when the kernel can't do what the rules need.
   */
  constructor(store: Store, options: ProxyOptions, log: Logger, metrics: AgentMetrics) {
    this.#store = store;
    this.#log = log;
    this.#metrics = metrics;
    this.#eligibility = new NodeEligibility(options.settings.nodeName);
    using undo = new DisposableStack();
    undo.use(this.#parts);
    const backend = this.#parts.use(NftablesBackend.open(undefined, { own: false }));
    backend.probe();
    this.#sweeper = this.#parts.use(this.#openSweeper(options));
    this.#serviceHealth = this.#parts.use(this.#openServiceHealth(options));
    const events = {
      onSync: (sync: Sync) => this.#synced(sync),
      onDrift: () => log.warn('somebody else changed the rules; repairing them'),
    };
    this.#proxy = this.#parts.use(new ServiceProxy(store, backend, options, events));
    undo.move();
  }

  /** Whether the rules follow the Services: the last sync held. */
  get synced(): boolean {
    return this.#proxy.synced;
  }

  /** What /livez answers. */
  live(): HealthReport {
    return this.#health.report();
  }

  /** What /healthz answers: the same, and whether this node should get traffic. */
  healthy(): HealthReport {
    return this.#health.report(this.#eligibility.isEligible(this.#store));
  }

  /** Stops following. The rules stay, so that traffic flows on. */
  close(): void {
    this.#parts.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openSweeper({ localAddrs }: ProxyOptions): ConntrackSweeper {
    return ConntrackSweeper.open(undefined, localAddrs, {
      onSweep: ({ deleted, durationSeconds }) => {
        if (deleted === 0) return;
        this.#log.info({ flows: deleted, durationSeconds }, 'stale UDP flows forgotten');
      },
      onError: ({ message }) =>
        this.#log.error({ error: message }, 'UDP flows can not be looked through; trying again'),
    });
  }

  #openServiceHealth({ settings }: ProxyOptions): ServiceHealth {
    return new ServiceHealth(this.#store, {
      settings,
      isHealthy: () => this.#health.isHealthy,
      onError: ({ namespace, name, port }, address, { message }) => {
        const service = `${namespace}/${name}`;
        this.#log.error(
          { service, address, port, error: message },
          'healthCheckNodePort can not be opened; trying again',
        );
      },
    });
  }

  #synced(sync: Sync): void {
    const { result, error, durationSeconds, services, changes, node } = sync;
    this.#metrics.synced(durationSeconds, error !== undefined, services);
    this.#sweeper.follow({ changes, node, isApplied: error === undefined });
    if (error === undefined) {
      this.#health.updated();
      this.#serviceHealth.apply(node);
    } else {
      this.#health.queued();
    }
    for (const conflict of sync.conflicts) {
      this.#log.warn(conflict, 'two Services want one address and port');
    }
    for (const { route, error: reason } of result?.quarantined ?? []) {
      this.#log.error(
        { service: route.name, error: reason.message },
        'the kernel refuses a Service',
      );
    }
    if (error !== undefined) {
      this.#log.error({ error: error.message }, 'rules refused; trying again');
    } else if (result !== undefined && result.changes !== 0) {
      const { routes } = sync;
      this.#log.info({ changes: result.changes, routes, durationSeconds }, 'rules changed');
    }
  }
}
