import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ClusterDns, Publication } from '../dns/dns.ts';
import {
  type Counters,
  type Distribution,
  DURATION_BOUNDS,
  SIZE_BOUNDS,
  sumDistributions,
} from '../dns/server/counters.ts';
import { rcodeName, typeName } from '../dns/wire/constants.ts';

type Labels = Record<string, string>;

/** The DNS server's metrics, by CoreDNS's names; what CoreDNS does not count is `podwire_dns_*`. */
export class DnsMetrics {
  readonly #names: Gauge;
  readonly #bytes: Gauge;
  readonly #programming: Histogram;

  /** `dns` gives the server, once there is one; it is asked when somebody asks for metrics. */
  constructor(registry: Registry, dns: () => ClusterDns | undefined) {
    const registers = [registry];
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
    addCounters(registry, dns);
    addDistributions(registry, dns);
  }

  published({ names, tableBytes, programming }: Publication): void {
    this.#names.set(names);
    this.#bytes.set(tableBytes);
    for (const { serviceKind, durationSeconds } of programming) {
      this.#programming.observe({ service_kind: serviceKind }, durationSeconds);
    }
  }
}

/** The labels every metric of a CoreDNS server has; the zone is that of kubeadm's server block. */
function serverLabels(dns: ClusterDns): Labels {
  return { server: `dns://:${dns.server.port}`, zone: '.', view: '' };
}

function addCounters(registry: Registry, dns: () => ClusterDns | undefined): void {
  const counter = (
    name: string,
    help: string,
    labelNames: string[],
    collect: (
      add: (labels: Labels, count: number) => void,
      udp: readonly Counters[],
      tcp: Counters,
      own: Labels,
    ) => void,
  ) =>
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        const server = dns();
        if (server === undefined) return;
        const { udp, tcp } = server.server.counters();
        this.reset();
        collect((labels, count) => this.inc(labels, count), udp, tcp, serverLabels(server));
      },
    });
  const own = ['server', 'zone', 'view'];
  const byProto = (udp: readonly Counters[], tcp: Counters) => [
    ...udp.map((counters) => ({ proto: 'udp', counters })),
    { proto: 'tcp', counters: tcp },
  ];
  counter(
    'coredns_dns_requests_total',
    'DNS queries',
    [...own, 'proto', 'family', 'type'],
    (add, udp, tcp, labels) => {
      for (const { proto, counters } of byProto(udp, tcp)) {
        for (const [family, value] of [
          ['1', 4],
          ['2', 6],
        ] as const) {
          for (const [type, count] of counters.requests(value)) {
            if (count === 0) continue;
            const name = type === undefined ? 'other' : typeName(type);
            add({ ...labels, proto, family, type: name }, count);
          }
        }
      }
    },
  );
  counter(
    'coredns_dns_responses_total',
    'DNS answers by response code',
    [...own, 'rcode', 'plugin'],
    (add, udp, tcp, labels) => {
      for (const { counters } of byProto(udp, tcp)) {
        for (const [rcode, count] of counters.responses()) {
          if (count === 0) continue;
          add({ ...labels, rcode: rcodeName(rcode), plugin: 'kubernetes' }, count);
        }
      }
    },
  );
  counter(
    'coredns_dns_do_requests_total',
    'DNS queries with DO set',
    own,
    (add, udp, tcp, labels) => {
      for (const counters of [...udp, tcp]) add(labels, counters.totals().dnssecOk);
    },
  );
  counter(
    'podwire_dns_dropped_total',
    'DNS queries without an answer: the kernel had no room, they had waited too long, or too many waited to be forwarded',
    ['reason'],
    (add, udp) => {
      for (const each of udp) {
        const { kernelDrops, staleDrops, handoverDrops } = each.totals();
        add({ reason: 'receive_buffer' }, kernelDrops);
        add({ reason: 'stale' }, staleDrops);
        add({ reason: 'handover_queue' }, handoverDrops);
      }
    },
  );
  counter(
    'podwire_dns_handed_over_total',
    'DNS queries that the table had no answer for and somebody else was asked',
    [],
    (add, udp) => {
      for (const each of udp) add({}, each.totals().handovers);
    },
  );
  counter(
    'podwire_dns_send_errors_total',
    'DNS answers the kernel refused to send',
    [],
    (add, udp) => {
      for (const each of udp) add({}, each.totals().sendErrors);
    },
  );
  new Counter({
    name: 'podwire_dns_tcp_refused_total',
    help: 'TCP connections closed at once, for there were too many',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(dns()?.server.refusedConnections ?? 0);
    },
  });
}

function addDistributions(registry: Registry, dns: () => ClusterDns | undefined): void {
  const add = (
    name: string,
    help: string,
    bounds: readonly number[],
    of: (counters: Counters) => Distribution,
    withProto: boolean,
  ): void => {
    registry.registerMetric(
      new SharedHistogram(name, help, bounds, () => {
        const server = dns();
        if (server === undefined) return [];
        const { udp, tcp } = server.server.counters();
        const own = serverLabels(server);
        if (!withProto) return [{ labels: own, value: sumDistributions([...udp, tcp].map(of)) }];
        return [
          { labels: { ...own, proto: 'udp' }, value: sumDistributions(udp.map(of)) },
          { labels: { ...own, proto: 'tcp' }, value: of(tcp) },
        ];
      }),
    );
  };
  const sizes = [...SIZE_BOUNDS];
  add(
    'coredns_dns_request_duration_seconds',
    'From when a query was received to when its answer was sent',
    DURATION_BOUNDS,
    (counters) => counters.durations,
    false,
  );
  add(
    'coredns_dns_request_size_bytes',
    'Size of DNS queries',
    sizes,
    (counters) => counters.requestSizes,
    true,
  );
  add(
    'coredns_dns_response_size_bytes',
    'Size of DNS answers',
    sizes,
    (counters) => counters.responseSizes,
    true,
  );
}

/** A histogram whose counts are kept elsewhere, and read when somebody asks. */
class SharedHistogram extends Histogram {
  readonly #own: string;
  readonly #bounds: readonly number[];
  readonly #read: () => { readonly labels: Labels; readonly value: Distribution }[];

  constructor(
    name: string,
    help: string,
    bounds: readonly number[],
    read: () => { readonly labels: Labels; readonly value: Distribution }[],
  ) {
    super({ name, help, registers: [] });
    this.#own = name;
    this.#bounds = bounds;
    this.#read = read;
  }

  override async get(): ReturnType<Histogram['get']> {
    const base = await super.get();
    const values = this.#read().flatMap(({ labels, value: { counts, sum } }) => {
      let total = 0;
      const buckets = counts.map((count, index) => {
        total += count;
        const le = this.#bounds[index] ?? '+Inf';
        return { labels: { ...labels, le }, value: total, metricName: `${this.#own}_bucket` };
      });
      return [
        ...buckets,
        { labels, value: sum, metricName: `${this.#own}_sum` },
        { labels, value: total, metricName: `${this.#own}_count` },
      ];
    });
    return { ...base, values };
  }
}
