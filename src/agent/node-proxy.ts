import type { ClusterState, Store } from '../cluster/store.ts';
import { OwnedElsewhereError, type ProxyBackend } from '../proxy/backend.ts';
import { ConntrackSweeper } from '../proxy/conntrack/sweeper.ts';
import { type HealthReport, NodeEligibility, ProxyHealth } from '../proxy/health/proxy-health.ts';
import { ServiceHealth } from '../proxy/health/service-health.ts';
import type { ProxyOptions } from '../proxy/options.ts';
import { ServiceProxy, type Sync } from '../proxy/proxy.ts';
import { ChangeTracker } from './change-tracker.ts';
import type { HealthRegistry } from './health/registry.ts';
import { syncProblems } from './health/sync-problems.ts';
import type { Logger } from './log.ts';
import type { OpenedBackend } from './proxy-backend.ts';
import type { ProxyMetrics } from './proxy-metrics.ts';
import type { ProxyStatus } from './status/status.ts';
import { SyncRecord } from './status/sync-record.ts';

/** Something may wait for the kernel for so many sync periods until the proxy counts as ill. */
const HEALTH_PERIODS = 2;

/** The Service proxy with all that follows its syncs: flows, health and metrics. */
export class NodeProxy implements Disposable {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #metrics: ProxyMetrics;
  readonly #degraded: HealthRegistry;
  /** What came of the syncs. */
  readonly record = new SyncRecord();
  readonly #tracker = new ChangeTracker();
  readonly #parts = new DisposableStack();
  readonly #health: ProxyHealth;
  readonly #eligibility: NodeEligibility;
  readonly #sweeper: ConntrackSweeper;
  readonly #serviceHealth: ServiceHealth;
  readonly #backend: ProxyBackend;
  readonly #proxy: ServiceProxy;
  /** Undefined once it has been done. */
  #removeLeftovers: OpenedBackend['removeLeftovers'] | undefined;
  /** Of both, what was said of them last. */
  #refusal: string | undefined;
  #protection: string | undefined;

  /**
   * Starts it in the namespace the process is in, with the Services the store has, and `backend` as what
   * makes its rules, which is its own from now on.
   */
  constructor(
    store: Store,
    { backend, removeLeftovers }: OpenedBackend,
    options: ProxyOptions,
    log: Logger,
    metrics: ProxyMetrics,
    degraded: HealthRegistry,
  ) {
    this.#degraded = degraded;
    this.#store = store;
    this.#log = log;
    this.#metrics = metrics;
    this.#health = new ProxyHealth(options.syncPeriodMs * HEALTH_PERIODS);
    this.#eligibility = new NodeEligibility(options.settings.nodeName);
    using undo = new DisposableStack();
    undo.use(this.#parts);
    this.#parts.use(backend);
    this.#backend = backend;
    this.#removeLeftovers = removeLeftovers;
    // Before the proxy follows the store, so that what it syncs has been counted.
    this.#queued(store, [...store.services.keys()]);
    this.#parts.defer(store.subscribe((state, touched) => this.#queued(state, touched)));
    this.#sweeper = this.#parts.use(this.#openSweeper(options));
    this.#serviceHealth = this.#parts.use(this.#openServiceHealth(options));
    this.#parts.use(degraded.probe('health-port-failed', () => this.#serviceHealth.failures));
    const events = {
      onSync: (sync: Sync) => this.#synced(sync),
      onDrift: () => log.warn('somebody else changed the rules; repairing them'),
    };
    this.#proxy = this.#parts.use(new ServiceProxy(store, backend, options, events));
    undo.move();
  }

  /** Why the rules do not follow the Services; undefined when they do: the last sync held. */
  notReady(): string | undefined {
    if (this.#proxy.synced) return undefined;
    const reason = this.#refusal === undefined ? '' : `: ${this.#refusal}`;
    return `the kernel does not have the rules yet${reason}`;
  }

  /** Has other options from now on; the name of the node stays. */
  reconfigure(options: ProxyOptions): void {
    this.#health.timeoutMs = options.syncPeriodMs * HEALTH_PERIODS;
    this.#proxy.reconfigure(options);
  }

  /** How it is doing, with at most so many of the Services the kernel refuses. */
  status(quarantinedMax: number): ProxyStatus {
    const { synced, quarantined } = this.#proxy;
    const { name: backend, protection = null } = this.#backend;
    return this.record.status({ backend, synced, protection }, quarantined, quarantinedMax);
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
      onSweep: (sweep) => {
        this.#metrics.swept(sweep);
        this.#degraded.report('conntrack-sweep-failing', undefined);
        const { protocol, deleted, durationSeconds } = sweep;
        if (deleted === 0) return;
        this.#log.info({ protocol, flows: deleted, durationSeconds }, 'stale flows forgotten');
      },
      onError: ({ message }) => {
        this.#degraded.report('conntrack-sweep-failing', message);
        this.#log.error({ error: message }, 'flows can not be looked through; trying again');
      },
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

  #queued(state: ClusterState, touched: readonly string[]): void {
    // Until all Services are known nothing is asked of the kernel.
    if (state.isComplete) {
      this.#health.queued();
      this.record.queued();
    }
    const counts = this.#tracker.update(state, touched);
    this.#metrics.queued(counts, this.#tracker.pending);
  }

  #synced(sync: Sync): void {
    const { result, error, durationSeconds, changes, node } = sync;
    this.record.synced(sync);
    this.#metrics.synced(sync, error === undefined ? this.#tracker.take() : []);
    const isApplied = error === undefined;
    for (const [state, problems] of syncProblems(sync)) this.#degraded.report(state, problems);
    this.#sweeper.follow({ changes, node, isApplied, departed: result?.departed });
    if (error === undefined) {
      this.#health.updated();
      this.#serviceHealth.apply(node);
      this.#tidy();
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
    this.#tellRefusal(error);
    this.#tellProtection();
    if (result !== undefined && result.changes !== 0) {
      const { routes } = sync;
      this.#log.info({ changes: result.changes, routes, durationSeconds }, 'rules changed');
    }
  }

  /** Once, when there are rules of ours, those that other modes left go. */
  #tidy(): void {
    const remove = this.#removeLeftovers;
    if (remove === undefined) return;
    this.#removeLeftovers = undefined;
    try {
      const removed = remove();
      if (removed.length > 0) this.#log.info({ removed }, 'rules that others left are removed');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.warn({ error: reason }, 'rules that others left can not be removed');
    }
  }

  /** Why the kernel does not follow, whenever that is another reason than before. */
  #tellRefusal(error: Error | undefined): void {
    if (error?.message === this.#refusal) return;
    this.#refusal = error?.message;
    if (error instanceof OwnedElsewhereError) {
      this.#log.warn({ reason: error.message }, 'another process has the rules; waiting for it');
    } else if (error !== undefined) {
      this.#log.error({ error: error.message }, 'rules refused; trying again');
    }
  }

  /** Who can change the rules, whenever that is new. */
  #tellProtection(): void {
    const { protection } = this.#backend;
    if (protection === undefined || protection.reason === this.#protection) return;
    const { isOwned, reason } = protection;
    this.#protection = reason;
    if (isOwned) this.#log.info({ reason }, 'the rules are owned');
    else this.#log.warn({ reason }, 'the rules can be changed by others');
  }
}
