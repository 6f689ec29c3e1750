import { Counter, Gauge, type Registry } from 'prom-client';
import type { RuleCount } from '../proxy/backend.ts';
import { RestoreError } from '../proxy/iptables/family-sync.ts';
import type { ProxyMode } from './kube-proxy/settings.ts';

const FAMILIES = ['IPv4', 'IPv6'] as const;

/** What a mode counts that others do not, by kube-proxy's names (pkg/proxy/metrics/metrics.go). */
export interface RuleMetrics {
  /** The kernel refused the rules. */
  failed(error: Error): void;
  synced(rules: readonly RuleCount[]): void;
}

/** Registers those of a mode. */
export function ruleMetrics(registry: Registry, mode: ProxyMode): RuleMetrics {
  const counter = (name: string, help: string): Counter => {
    const made = new Counter({
      name: `kubeproxy_sync_proxy_rules_${name}`,
      help,
      labelNames: ['ip_family'],
      registers: [registry],
    });
    for (const ip_family of FAMILIES) made.inc({ ip_family }, 0);
    return made;
  };
  return mode === 'iptables' ? ofIptables(registry, counter) : ofNftables(counter);
}

function ofNftables(counter: (name: string, help: string) => Counter): RuleMetrics {
  const failures = counter(
    'nftables_sync_failures_total',
    'How often the kernel refused the rules',
  );
  // Stale chains are cleaned up in the same transaction, so it fails with it or not at all.
  counter(
    'nftables_cleanup_failures_total',
    'How often cleaning up alone failed; always 0, for it is a part of the sync',
  );
  return {
    failed: () => {
      for (const ip_family of FAMILIES) failures.inc({ ip_family });
    },
    synced: () => {},
  };
}

function ofIptables(
  registry: Registry,
  counter: (name: string, help: string) => Counter,
): RuleMetrics {
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({
      name: `kubeproxy_sync_proxy_rules_${name}`,
      help,
      labelNames: ['table', 'ip_family'],
      registers: [registry],
    });
  const failures = counter(
    'iptables_restore_failures_total',
    'How often iptables-restore failed, or its lock was held by others for too long',
  );
  const partial = counter(
    'iptables_partial_restore_failures_total',
    'The same where only what changed was to be written',
  );
  const total = gauge('iptables_total', 'Rules there are');
  const last = gauge('iptables_last', 'Rules the last sync wrote');
  return {
    failed: (error) => {
      if (!(error instanceof RestoreError)) return;
      const ip_family = `IPv${error.family}`;
      failures.inc({ ip_family });
      if (error.isPartial) partial.inc({ ip_family });
    },
    synced: (rules) => {
      for (const { family, table, total: all, written } of rules) {
        total.set({ table, ip_family: `IPv${family}` }, all);
        last.set({ table, ip_family: `IPv${family}` }, written);
      }
    },
  };
}
