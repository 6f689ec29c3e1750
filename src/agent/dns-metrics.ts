import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { NamedServer } from '../dns/dns.ts';
import type { Publication } from '../dns/followed-zone.ts';
import {
  type Labels,
  METRICS,
  type MetricDefinition,
  type MetricName,
} from '../dns/plugin/metrics.ts';
import { type Counters, type Distribution, sumDistributions } from '../dns/server/counters.ts';
import { rcodeName, typeName } from '../dns/wire/constants.ts';
import { DistributionMetric, type DistributionSample } from './distribution-metric.ts';
import { PluginMetrics } from './plugin-metrics.ts';

/** What answers DNS, as far as metrics go. */
export interface ServedDns {
  readonly servers: readonly NamedServer[];
}

/** What one thread counted in one zone, and the labels CoreDNS has for that. */
interface Counted {
  readonly own: Labels;
  readonly proto: 'udp' | 'tcp';
  readonly counters: Counters;
}

/**
 * The DNS server's metrics, by CoreDNS's names; what CoreDNS does not count is `podwire_dns_*`. What
 * threads answered is read from their memory, what plugins answered from `plugins`; every query is
 * counted by the one that answered it.
 */
export class DnsMetrics {
  readonly plugins = new PluginMetrics();
  readonly #dns: () => ServedDns | undefined;
  readonly #names: Gauge;
  readonly #bytes: Gauge;
  readonly #programming: Histogram;

  /** `dns` gives the servers, once there are some; it is asked when somebody asks for metrics. */
  constructor(registry: Registry, dns: () => ServedDns | undefined) {
    const registers = [registry];
    this.#dns = dns;
    this.#names = new Gauge({
      name: 'podwire_dns_names',
      help: 'Names in the DNS table',
      registers,
    });
    this.#bytes = new Gauge({
      name: 'podwire_dns_table_bytes',
      help: 'Memory the DNS table takes',
      registers,
    });
    this.#programming = new Histogram({
      name: 'coredns_kubernetes_dns_programming_duration_seconds',
      help: 'From the change of an endpoint to the moment DNS says so',
      labelNames: ['service_kind'],
      buckets: Array.from({ length: 20 }, (_, index) => 0.001 * 2 ** index),
      registers,
    });
    for (const name of Object.keys(METRICS) as MetricName[]) this.#register(registry, name);
    this.#registerOwn(registry);
  }

  published({ names, tableBytes, programming }: Publication): void {
    this.#names.set(names);
    this.#bytes.set(tableBytes);
    for (const { serviceKind, durationSeconds } of programming) {
      this.#programming.observe({ service_kind: serviceKind }, durationSeconds);
    }
  }

  /** Answers of threads and plugins since the start, by the name of their response code. */
  answers(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const { labels, value } of this.#numbers('coredns_dns_responses_total')) {
      const { rcode = '' } = labels;
      sums.set(rcode, (sums.get(rcode) ?? 0) + value);
    }
    return sums;
  }

  #numbers(name: MetricName): readonly Sample[] {
    const counts = THREAD_COUNTS[name];
    return [
      ...(counts === undefined ? [] : this.#counted().flatMap(counts)),
      ...this.plugins.numbers(name),
    ];
  }

  #counted(): Counted[] {
    return (this.#dns()?.servers ?? []).flatMap(({ label, server }) =>
      server.counters().map(({ zone, transport, counters }) => ({
        own: { server: label, zone: zone === '' ? 'dropped' : zone, view: '' },
        proto: transport,
        counters,
      })),
    );
  }

  #register(registry: Registry, name: MetricName): void {
    const definition: MetricDefinition = METRICS[name];
    const { kind, help, labels, buckets = [] } = definition;
    const { plugins } = this;
    if (kind === 'histogram') {
      const read = () => [...this.#distributions(name), ...plugins.distributions(name)];
      registry.registerMetric(new DistributionMetric(name, help, buckets, read));
      return;
    }
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const values = () => this.#numbers(name);
    if (kind === 'counter') {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const { labels: own, value } of values()) this.inc({ ...own }, value);
        },
      });
    } else {
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const { labels: own, value } of values()) this.set({ ...own }, value);
        },
      });
    }
  }

  /** What threads observed, their series put together. */
  #distributions(name: MetricName): DistributionSample[] {
    const of = THREAD_DISTRIBUTIONS[name];
    if (of === undefined) return [];
    const series = new Map<string, { labels: Labels; values: Distribution[] }>();
    for (const { own, proto, counters } of this.#counted()) {
      const value = of.read(counters);
      const isEmpty = value.counts.every((count) => count === 0);
      if (isEmpty) continue;
      const labels = of.withProto ? { ...own, proto } : own;
      const key = Object.values(labels).join(' ');
      const known = series.get(key);
      if (known === undefined) series.set(key, { labels, values: [value] });
      else known.values.push(value);
    }
    return [...series.values()].map(({ labels, values }) => ({
      labels,
      value: sumDistributions(values),
    }));
  }

  #registerOwn(registry: Registry): void {
    const counter = (
      name: string,
      help: string,
      labelNames: readonly string[],
      collect: () => readonly Sample[],
    ) =>
      new Counter({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect() {
          this.reset();
          for (const { labels, value } of collect()) this.inc({ ...labels }, value);
        },
      });
    const totals = () => this.#counted().map(({ counters }) => counters.totals());
    counter(
      'podwire_dns_dropped_total',
      'DNS queries without an answer: the kernel had no room, they had waited too long, or too many waited to be forwarded',
      ['reason'],
      () =>
        totals().flatMap(({ kernelDrops, staleDrops, handoverDrops }) => [
          { labels: { reason: 'receive_buffer' }, value: kernelDrops },
          { labels: { reason: 'stale' }, value: staleDrops },
          { labels: { reason: 'handover_queue' }, value: handoverDrops },
        ]),
    );
    counter(
      'podwire_dns_handed_over_total',
      'DNS queries that the table had no answer for and somebody else was asked',
      [],
      () => totals().map(({ handovers }) => ({ labels: {}, value: handovers })),
    );
    counter('podwire_dns_send_errors_total', 'DNS answers the kernel refused to send', [], () =>
      totals().map(({ sendErrors }) => ({ labels: {}, value: sendErrors })),
    );
    counter(
      'podwire_dns_tcp_refused_total',
      'TCP connections closed at once, for there were too many',
      [],
      () =>
        (this.#dns()?.servers ?? []).map(({ server }) => ({
          labels: {},
          value: server.refusedConnections,
        })),
    );
  }
}

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What threads count of what plugins count too. */
const THREAD_COUNTS: { readonly [Name in MetricName]?: (counted: Counted) => Sample[] } = {
  coredns_dns_requests_total: ({ own, proto, counters }) =>
    ([4, 6] as const).flatMap((version) =>
      [...counters.requests(version)]
        .filter(([, value]) => value > 0)
        .map(([type, value]) => ({
          labels: {
            ...own,
            proto,
            family: version === 4 ? '1' : '2',
            type: type === undefined ? 'other' : typeName(type),
          },
          value,
        })),
    ),
  coredns_dns_responses_total: ({ own, counters }) =>
    (['table', 'cache'] as const).flatMap((from) =>
      [...counters.responses(from)]
        .filter(([, value]) => value > 0)
        .map(([rcode, value]) => ({
          labels: {
            ...own,
            rcode: rcodeName(rcode),
            plugin: from === 'table' ? 'kubernetes' : 'cache',
          },
          value,
        })),
    ),
  coredns_dns_do_requests_total: ({ own, counters }) => {
    const { dnssecOk } = counters.totals();
    return dnssecOk === 0 ? [] : [{ labels: own, value: dnssecOk }];
  },
  coredns_cache_requests_total: (counted) => {
    const value = cacheHits(counted.counters);
    return value === 0 ? [] : [{ labels: cacheLabels(counted), value }];
  },
  coredns_cache_hits_total: (counted) => {
    const { cacheDenials } = counted.counters.totals();
    const values = { denial: cacheDenials, success: cacheHits(counted.counters) - cacheDenials };
    return Object.entries(values)
      .filter(([, value]) => value > 0)
      .map(([type, value]) => ({ labels: { ...cacheLabels(counted), type }, value }));
  },
};

const THREAD_DISTRIBUTIONS: {
  readonly [Name in MetricName]?: {
    readonly read: (counters: Counters) => Distribution;
    readonly withProto: boolean;
  };
} = {
  coredns_dns_request_duration_seconds: {
    read: (counters) => counters.durations,
    withProto: false,
  },
  coredns_dns_request_size_bytes: { read: (counters) => counters.requestSizes, withProto: true },
  coredns_dns_response_size_bytes: { read: (counters) => counters.responseSizes, withProto: true },
};

function cacheHits(counters: Counters): number {
  return counters
    .responses('cache')
    .values()
    .reduce((sum, count) => sum + count, 0);
}

function cacheLabels({ own: { server = '', zone = '' } }: Counted): Labels {
  return { server, zones: zone, view: '' };
}
