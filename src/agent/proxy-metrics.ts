import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Sweep } from '../proxy/conntrack/sweeper.ts';
import type { ServiceRoute } from '../proxy/model/route.ts';
import type { Sync } from '../proxy/proxy.ts';
import type { ChangeCounts, Trigger } from './change-tracker.ts';
import type { ProxyMode } from './kube-proxy/settings.ts';
import { type RuleMetrics, ruleMetrics } from './rule-metrics.ts';

const FAMILIES = ['IPv4', 'IPv6'] as const;
const byFamily = ['ip_family'] as const;
const range = (count: number, of: (index: number) => number) =>
  Array.from({ length: count }, (_, index) => of(index));
/** 1 ms, doubled 14 times. */
const SYNC_BUCKETS = range(15, (index) => 0.001 * 2 ** index);
/** From a quarter of a second to five minutes. */
const PROGRAMMING_BUCKETS = [
  0.25,
  0.5,
  ...range(59, (index) => 1 + index),
  ...range(12, (index) => 60 + 5 * index),
  ...range(7, (index) => 120 + 30 * index),
];

/**
 * The metrics of the Service proxy, with kube-proxy's names, labels and buckets in the same mode
 * (pkg/proxy/metrics/metrics.go). Both families change in one sync, so what is said of it is said of
 * each.
 */
export class ProxyMetrics {
  readonly #duration: Histogram;
  readonly #fullDuration: Histogram;
  readonly #partialDuration: Histogram;
  readonly #last: Gauge;
  readonly #lastQueued: Gauge;
  readonly #programming: Histogram;
  readonly #rules: RuleMetrics;
  readonly #pending: Readonly<Record<keyof ChangeCounts, Gauge>>;
  readonly #total: Readonly<Record<keyof ChangeCounts, Counter>>;
  readonly #sweepDuration: Histogram;
  readonly #sweepDeleted: Counter;
  readonly #healthz: Counter;
  readonly #livez: Counter;
  readonly #services: Gauge;
  readonly #withoutLocal = new Map<string, WithoutLocal>();

  constructor(registry: Registry, mode: ProxyMode) {
    const registers = [registry];
    const histogram = (name: string, help: string, buckets = SYNC_BUCKETS) =>
      new Histogram({ name: `kubeproxy_${name}`, help, buckets, labelNames: byFamily, registers });
    const gauge = (name: string, help: string, labelNames: readonly string[] = byFamily) =>
      new Gauge({ name: `kubeproxy_${name}`, help, labelNames, registers });
    const counter = (name: string, help: string, labelNames: readonly string[] = byFamily) =>
      new Counter({ name: `kubeproxy_${name}`, help, labelNames, registers });
    this.#duration = histogram(
      'sync_proxy_rules_duration_seconds',
      'How long it took to compare the rules and send the difference',
    );
    this.#fullDuration = histogram(
      'sync_full_proxy_rules_duration_seconds',
      'The same where all of what the kernel has was read',
    );
    this.#partialDuration = histogram(
      'sync_partial_proxy_rules_duration_seconds',
      'The same where only what changed was sent',
    );
    this.#last = gauge(
      'sync_proxy_rules_last_timestamp_seconds',
      'When the rules were last known to be right',
    );
    this.#lastQueued = gauge(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      'When a change last asked for other rules',
    );
    this.#programming = histogram(
      'network_programming_duration_seconds',
      'From a change of endpoints, by the clock of the controller, until the kernel has it',
      PROGRAMMING_BUCKETS,
    );
    this.#rules = ruleMetrics(registry, mode);
    this.#pending = {
      endpoints: gauge(
        'sync_proxy_rules_endpoint_changes_pending',
        'EndpointSlices that changed and wait',
        [],
      ),
      services: gauge(
        'sync_proxy_rules_service_changes_pending',
        'Services that changed and wait',
        [],
      ),
    };
    this.#total = {
      endpoints: counter(
        'sync_proxy_rules_endpoint_changes_total',
        'EndpointSlices that changed',
        [],
      ),
      services: counter('sync_proxy_rules_service_changes_total', 'Services that changed', []),
    };
    this.#sweepDuration = histogram(
      'conntrack_reconciler_sync_duration_seconds',
      'How long it took to look through the tracked flows',
    );
    this.#sweepDeleted = counter(
      'conntrack_reconciler_deleted_entries_total',
      'Flows forgotten, for they led to no endpoint',
    );
    this.#healthz = counter('proxy_healthz_total', 'Answers of /healthz by status', ['code']);
    this.#livez = counter('proxy_livez_total', 'Answers of /livez by status', ['code']);
    this.#services = new Gauge({ name: 'podwire_services', help: 'Services known', registers });
    const withoutLocal = this.#withoutLocal;
    new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Ports of Services with a policy Local whose endpoints are all on other nodes',
      labelNames: ['traffic_policy', 'ip_family'],
      registers,
      collect() {
        const all = [...withoutLocal.values()];
        for (const traffic_policy of ['internal', 'external']) {
          for (const ip_family of FAMILIES) {
            const here = all.filter(
              (each) => each.policy === traffic_policy && each.family === ip_family,
            );
            this.set({ traffic_policy, ip_family }, new Set(here.map(({ port }) => port)).size);
          }
        }
      },
    });
  }

  /** Something changed, and waits for the kernel. */
  queued(counts: ChangeCounts, pending: ChangeCounts): void {
    for (const what of ['services', 'endpoints'] as const) {
      this.#total[what].inc(counts[what]);
      this.#pending[what].set(pending[what]);
    }
    for (const ip_family of FAMILIES) this.#lastQueued.setToCurrentTime({ ip_family });
  }

  /** The kernel was asked to follow; `triggers` are what it follows now. */
  synced(sync: Sync, triggers: readonly Trigger[]): void {
    const { error, result, durationSeconds, services, changes } = sync;
    this.#services.set(services);
    for (const [key, route] of changes) this.#follow(key, route);
    for (const ip_family of FAMILIES) {
      this.#duration.observe({ ip_family }, durationSeconds);
      if (result === undefined) continue;
      const kind = result.full ? this.#fullDuration : this.#partialDuration;
      kind.observe({ ip_family }, durationSeconds);
      this.#last.setToCurrentTime({ ip_family });
    }
    if (result !== undefined) this.#rules.synced(result.rules ?? []);
    if (error !== undefined) {
      this.#rules.failed(error);
      return;
    }
    for (const pending of Object.values(this.#pending)) pending.set(0);
    const now = Date.now();
    for (const { family, atMs } of triggers) {
      this.#programming.observe({ ip_family: `IPv${family}` }, (now - atMs) / 1000);
    }
  }

  /** Flows were looked through. */
  swept({ family, deleted, durationSeconds }: Sweep): void {
    const ip_family = `IPv${family}`;
    this.#sweepDuration.observe({ ip_family }, durationSeconds);
    this.#sweepDeleted.inc({ ip_family }, deleted);
  }

  /** Counts an answer of /healthz. */
  readonly healthz = (code: number): void => this.#healthz.inc({ code });

  /** Counts an answer of /livez. */
  readonly livez = (code: number): void => this.#livez.inc({ code });

  #follow(key: string, route: ServiceRoute | undefined): void {
    const without = route === undefined ? undefined : withoutLocalOf(route);
    if (without === undefined) this.#withoutLocal.delete(key);
    else this.#withoutLocal.set(key, without);
  }
}

/** A way in that drops what comes, for no endpoint is on this node. */
interface WithoutLocal {
  readonly policy: 'internal' | 'external';
  readonly family: (typeof FAMILIES)[number];
  readonly port: string;
}

function withoutLocalOf({
  name,
  entry,
  family,
  protocol,
  ways,
}: ServiceRoute): WithoutLocal | undefined {
  const policy = entry === 'cluster-ip' ? 'internal' : 'external';
  const { pool } = ways.outside;
  if (pool.endpoints.length > 0 || pool.whenEmpty !== 'drop') return undefined;
  return { policy, family: `IPv${family}`, port: `${name} ${protocol}` };
}
