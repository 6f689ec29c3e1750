import { DURATION_BOUNDS, SIZE_BOUNDS } from '../server/counters.ts';

/** One series of numbers, by CoreDNS's name where it has one. */
export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

/** `labels` are parted by blanks. */
const counter = (help: string, labels = ''): MetricDefinition => ({
  kind: 'counter',
  help,
  labels: labels === '' ? [] : labels.split(' '),
});
const gauge = (help: string, labels = ''): MetricDefinition => ({
  ...counter(help, labels),
  kind: 'gauge',
});

/** Every metric a plugin may touch. */
export const METRICS = {
  coredns_dns_requests_total: counter('Queries', 'server zone view proto family type'),
  coredns_dns_responses_total: counter(
    'Answers by response code and by who gave them',
    'server zone view rcode plugin',
  ),
  coredns_dns_request_duration_seconds: {
    kind: 'histogram',
    help: 'From when a query was received to when its answer was there',
    labels: ['server', 'zone', 'view'],
    buckets: DURATION_BOUNDS,
  },
  coredns_dns_do_requests_total: counter('Queries with DO set', 'server zone view'),
  coredns_dns_request_size_bytes: {
    kind: 'histogram',
    help: 'Size of queries',
    labels: ['server', 'zone', 'view', 'proto'],
    buckets: SIZE_BOUNDS,
  },
  coredns_dns_response_size_bytes: {
    kind: 'histogram',
    help: 'Size of answers',
    labels: ['server', 'zone', 'view', 'proto'],
    buckets: SIZE_BOUNDS,
  },
  coredns_panics_total: counter('Queries that ended in an error nobody expected'),
  coredns_plugin_enabled: gauge('Always 1 for a plugin of a server block', 'server zone view name'),
  coredns_cache_entries: gauge('Answers in the cache', 'server type zones view'),
  coredns_cache_hits_total: counter('Answers from the cache', 'server type zones view'),
  coredns_cache_misses_total: counter('Queries the cache had nothing for', 'server zones view'),
  coredns_cache_requests_total: counter('Queries to the cache', 'server zones view'),
  coredns_cache_prefetch_total: counter(
    'Answers fetched again before they expired',
    'server zones view',
  ),
  coredns_cache_drops_total: counter(
    'Answers not kept because they answered something else',
    'server zones view',
  ),
  coredns_cache_served_stale_total: counter(
    'Answers given after they expired',
    'server zones view',
  ),
  coredns_cache_evictions_total: counter(
    'Answers thrown out to make room',
    'server type zones view',
  ),
  coredns_forward_healthcheck_broken_total: counter('Queries while all upstreams were down'),
  coredns_forward_max_concurrent_rejects_total: counter(
    'Queries refused because too many were under way',
  ),
  coredns_proxy_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time an upstream took to answer',
    labels: ['proxy_name', 'to', 'rcode'],
    buckets: DURATION_BOUNDS,
  },
  coredns_proxy_healthcheck_failures_total: counter(
    'Health checks an upstream failed',
    'proxy_name to',
  ),
  coredns_proxy_conn_cache_hits_total: counter(
    'Queries sent on an open connection',
    'proxy_name to proto',
  ),
  coredns_proxy_conn_cache_misses_total: counter(
    'Queries that needed a new connection',
    'proxy_name to proto',
  ),
  podwire_dns_forward_coalesced_total: counter(
    'Queries that waited for the same one already under way',
  ),
  podwire_dns_forward_loops: gauge('1 while queries forwarded come back', 'server zone'),
  coredns_hosts_entries: gauge('Lines of hosts files and of hosts in the Corefile'),
  coredns_hosts_reload_timestamp_seconds: gauge('When a hosts file was last read'),
  coredns_acl_blocked_requests_total: counter('Queries refused', 'server zone view'),
  coredns_acl_filtered_requests_total: counter('Queries answered empty', 'server zone view'),
  coredns_acl_allowed_requests_total: counter('Queries let through', 'server view'),
  coredns_acl_dropped_requests_total: counter('Queries not answered', 'server zone view'),
  coredns_template_matches_total: counter(
    'Queries a template answered',
    'server zone view class type',
  ),
  coredns_template_template_failures_total: counter(
    'Templates that could not be filled in',
    'server zone view class type section template',
  ),
  coredns_template_rr_failures_total: counter(
    'Templates whose result was no record',
    'server zone view class type section template',
  ),
  coredns_autopath_success_total: counter('Queries answered from further down the path', 'server'),
  coredns_health_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time a health check of our own took',
    labels: [],
    buckets: DURATION_BOUNDS,
  },
  coredns_health_request_failures_total: counter('Health checks of our own that failed'),
  coredns_reload_failed_total: counter('Corefiles that were changed and not taken'),
  coredns_reload_version_info: gauge('Always 1 for the Corefile in force', 'hash value'),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
export type Labels = Readonly<Record<string, string>>;

/** Where plugins count. */
export interface Metrics {
  /** Adds to a counter; 1 when nothing is said. */
  count(name: MetricName, labels?: Labels, by?: number): void;
  /** Sets a gauge. */
  set(name: MetricName, labels: Labels, value: number): void;
  /** Forgets the series of a gauge, for what it told about is no more. */
  clear(name: MetricName): void;
  /** Adds a value to a histogram. */
  observe(name: MetricName, labels: Labels, value: number): void;
}
