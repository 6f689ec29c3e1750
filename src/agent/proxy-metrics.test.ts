import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parseAddr } from '../ipaddr/parse-addr.ts';
import { IptablesError } from '../iptables/error.ts';
import { RestoreError } from '../proxy/iptables/family-sync.ts';
import type { ServiceRoute } from '../proxy/model/route.ts';
import { DEFAULT_NODE_RULES } from '../proxy/node.ts';
import type { Sync } from '../proxy/proxy.ts';
import { ProxyMetrics } from './proxy-metrics.ts';

/*
 * What kube-proxy v1.36 registers, in any mode for Linux: name, type, labels, and for histograms how
 * many buckets, the first and the last (pkg/proxy/metrics/metrics.go).
 */
const SYNC = '15 0.001..16.384';
const ALL = 'sync_proxy_rules_';
const KUBE_PROXY: Readonly<Record<string, string>> = {
  [`${ALL}duration_seconds`]: `histogram ip_family ${SYNC}`,
  sync_full_proxy_rules_duration_seconds: `histogram ip_family ${SYNC}`,
  sync_partial_proxy_rules_duration_seconds: `histogram ip_family ${SYNC}`,
  [`${ALL}last_timestamp_seconds`]: 'gauge ip_family',
  [`${ALL}last_queued_timestamp_seconds`]: 'gauge ip_family',
  network_programming_duration_seconds: 'histogram ip_family 80 0.25..300',
  [`${ALL}endpoint_changes_pending`]: 'gauge',
  [`${ALL}endpoint_changes_total`]: 'counter',
  [`${ALL}service_changes_pending`]: 'gauge',
  [`${ALL}service_changes_total`]: 'counter',
  [`${ALL}nftables_sync_failures_total`]: 'counter ip_family',
  [`${ALL}nftables_cleanup_failures_total`]: 'counter ip_family',
  [`${ALL}no_local_endpoints_total`]: 'gauge traffic_policy,ip_family',
  proxy_healthz_total: 'counter code',
  proxy_livez_total: 'counter code',
  conntrack_reconciler_sync_duration_seconds: `histogram ip_family ${SYNC}`,
  conntrack_reconciler_deleted_entries_total: 'counter ip_family',
};
/** Only of its mode iptables. */
const IPTABLES_ALONE = [
  `${ALL}iptables_restore_failures_total`,
  `${ALL}iptables_partial_restore_failures_total`,
  `${ALL}iptables_total`,
  `${ALL}iptables_last`,
  'iptables_ct_state_invalid_dropped_packets_total',
  'iptables_localhost_nodeports_accepted_packets_total',
];

const pool = (isLocal: boolean) => ({
  id: 'p',
  endpoints: isLocal
    ? [{ addr: parseAddr('10.0.0.1'), port: 80, isLocal: true, mayMeetItself: true }]
    : [],
  whenEmpty: 'drop' as const,
  affinitySeconds: 0,
});
const route = (more: Partial<ServiceRoute>, isLocal = false): ServiceRoute => {
  const way = { pool: pool(isLocal), masquerade: false };
  return {
    name: 'default/web',
    entry: 'cluster-ip',
    family: 4,
    addr: parseAddr('10.96.0.1'),
    protocol: 'TCP',
    port: 80,
    ways: { pod: way, host: way, outside: way },
    sources: undefined,
    ...more,
  };
};
const sync = (more: Partial<Sync> = {}): Sync => ({
  result: { changes: 1, full: true, quarantined: [] },
  error: undefined,
  durationSeconds: 0.002,
  routes: 1,
  services: 1,
  conflicts: [],
  changes: new Map(),
  node: DEFAULT_NODE_RULES,
  ...more,
});

/** The samples of a metric, as Prometheus reads them. */
async function samples(registry: Registry, name: string): Promise<string[]> {
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line.startsWith(`kubeproxy_${name}`));
}

describe('ProxyMetrics', () => {
  it("has kube-proxy's names, types, labels and buckets, and no others", async () => {
    const registry = new Registry();
    const metrics = new ProxyMetrics(registry, 'nftables');
    metrics.synced(sync(), [{ family: 4, atMs: Date.now() }]);
    const seen: Record<string, string> = {};
    for (const metric of registry.getMetricsAsArray()) {
      const { name } = metric;
      if (!name.startsWith('kubeproxy_')) continue;
      // What is registered tells its labels and buckets to nobody but itself.
      const { labelNames, upperBounds } = metric as unknown as {
        readonly labelNames: readonly string[];
        readonly upperBounds?: readonly number[];
      };
      const { type } = (await registry.getSingleMetric(name)?.get()) ?? { type: '' };
      seen[name.replace('kubeproxy_', '')] = [
        type,
        labelNames.filter((label) => label !== 'le').join(','),
        ...(upperBounds === undefined
          ? []
          : [`${upperBounds.length} ${upperBounds[0]}..${upperBounds.at(-1)}`]),
      ]
        .join(' ')
        .trim();
    }
    expect(seen).toEqual(KUBE_PROXY);
    for (const name of IPTABLES_ALONE) expect(seen).not.toHaveProperty(name);
  });

  it('counts a sync in each family, and tells whole ones from others', async () => {
    const registry = new Registry();
    const metrics = new ProxyMetrics(registry, 'nftables');
    metrics.synced(sync(), []);
    metrics.synced(sync({ result: { changes: 1, full: false, quarantined: [] } }), []);
    metrics.synced(sync({ result: undefined, error: new Error('no') }), []);
    for (const family of ['IPv4', 'IPv6']) {
      expect(await samples(registry, 'sync_')).toEqual(
        expect.arrayContaining([
          `kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="${family}"} 3`,
          `kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="${family}"} 1`,
          `kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="${family}"} 1`,
          `kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="${family}"} 1`,
          `kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total{ip_family="${family}"} 0`,
        ]),
      );
    }
  });

  it('shows what waits until the kernel follows', async () => {
    const registry = new Registry();
    const metrics = new ProxyMetrics(registry, 'nftables');
    const pending = () => samples(registry, 'sync_proxy_rules_service_changes');
    metrics.queued({ services: 2, endpoints: 3 }, { services: 2, endpoints: 3 });
    metrics.synced(sync({ result: undefined, error: new Error('no') }), []);
    expect(await pending()).toEqual([
      'kubeproxy_sync_proxy_rules_service_changes_pending 2',
      'kubeproxy_sync_proxy_rules_service_changes_total 2',
    ]);
    metrics.synced(sync(), []);
    expect(await pending()).toEqual([
      'kubeproxy_sync_proxy_rules_service_changes_pending 0',
      'kubeproxy_sync_proxy_rules_service_changes_total 2',
    ]);
  });

  it('counts rules and failures in mode iptables', async () => {
    const registry = new Registry();
    const metrics = new ProxyMetrics(registry, 'iptables');
    const rules = [{ family: 6 as const, table: 'nat', total: 70, written: 4 }];
    metrics.synced(sync({ result: { changes: 4, full: false, quarantined: [], rules } }), []);
    const busy = new IptablesError('busy', 'iptables-restore', 'exit status 4: lock');
    const error = new RestoreError(busy, 4, true);
    metrics.synced(sync({ result: undefined, error }), []);
    const name = 'kubeproxy_sync_proxy_rules_iptables';
    expect(await samples(registry, 'sync_proxy_rules_iptables')).toEqual([
      `${name}_restore_failures_total{ip_family="IPv4"} 1`,
      `${name}_restore_failures_total{ip_family="IPv6"} 0`,
      `${name}_partial_restore_failures_total{ip_family="IPv4"} 1`,
      `${name}_partial_restore_failures_total{ip_family="IPv6"} 0`,
      `${name}_total{table="nat",ip_family="IPv6"} 70`,
      `${name}_last{table="nat",ip_family="IPv6"} 4`,
    ]);
  });

  it('counts ports without an endpoint on this node once, whatever the ways in', async () => {
    const registry = new Registry();
    const metrics = new ProxyMetrics(registry, 'nftables');
    const name = 'sync_proxy_rules_no_local_endpoints_total';
    const changes = new Map<string, ServiceRoute | undefined>([
      ['a', route({})],
      ['b', route({ entry: 'node-port' })],
      ['c', route({ entry: 'load-balancer' })],
      ['d', route({ entry: 'load-balancer', family: 6 }, true)],
    ]);
    metrics.synced(sync({ changes }), []);
    const count = (policy: string, family: string, value: number) =>
      `kubeproxy_${name}{traffic_policy="${policy}",ip_family="${family}"} ${value}`;
    expect(await samples(registry, name)).toEqual([
      count('internal', 'IPv4', 1),
      count('internal', 'IPv6', 0),
      count('external', 'IPv4', 1),
      count('external', 'IPv6', 0),
    ]);
    metrics.synced(sync({ changes: new Map([['a', undefined]]) }), []);
    expect(await samples(registry, name)).toContain(count('internal', 'IPv4', 0));
  });
});
