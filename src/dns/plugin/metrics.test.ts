import { describe, expect, it } from 'vitest';
import { METRICS } from './metrics.ts';

/** What dashboards for CoreDNS read, with its labels (CoreDNS v1.15.0). */
const COREDNS: Readonly<Record<string, string>> = {
  coredns_dns_requests_total: 'family proto server type view zone',
  coredns_dns_responses_total: 'plugin rcode server view zone',
  coredns_dns_request_duration_seconds: 'server view zone',
  coredns_dns_request_size_bytes: 'proto server view zone',
  coredns_dns_response_size_bytes: 'proto server view zone',
  coredns_dns_do_requests_total: 'server view zone',
  coredns_panics_total: '',
  coredns_plugin_enabled: 'name server view zone',
  coredns_cache_entries: 'server type view zones',
  coredns_cache_hits_total: 'server type view zones',
  coredns_cache_misses_total: 'server view zones',
  coredns_cache_requests_total: 'server view zones',
  coredns_cache_evictions_total: 'server type view zones',
  coredns_cache_served_stale_total: 'server view zones',
  coredns_forward_healthcheck_broken_total: '',
  coredns_forward_max_concurrent_rejects_total: '',
  coredns_proxy_request_duration_seconds: 'proxy_name rcode to',
  coredns_proxy_healthcheck_failures_total: 'proxy_name to',
  coredns_proxy_conn_cache_hits_total: 'proto proxy_name to',
  coredns_proxy_conn_cache_misses_total: 'proto proxy_name to',
  coredns_health_request_duration_seconds: '',
  coredns_health_request_failures_total: '',
  coredns_hosts_entries: '',
  coredns_reload_failed_total: '',
  coredns_reload_version_info: 'hash value',
};

describe('METRICS', () => {
  const own = new Map<string, string>(
    Object.entries(METRICS).map(([name, { labels }]) => [name, [...labels].sort().join(' ')]),
  );

  it.each(Object.entries(COREDNS))('has %s by "%s"', (name, labels) => {
    expect(own.get(name)).toBe(labels);
  });

  it('calls what CoreDNS does not count by another name', () => {
    const strange = [...own.keys()].filter((name) => !/^(coredns|podwire_dns)_/.test(name));
    expect(strange).toEqual([]);
  });

  it.each(Object.entries(METRICS))(
    '%s says what it is, by the kind its name ends in',
    (name, { kind, help }) => {
      expect(help).toMatch(/^[A-Z0-9].*[^.]$/);
      expect(name.endsWith('_total')).toBe(kind === 'counter');
    },
  );
});
