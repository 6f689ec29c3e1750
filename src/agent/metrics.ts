import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Publication } from '../dns/followed-zone.ts';
import { DnsMetrics, type ServedDns } from './dns-metrics.ts';
import type { PluginMetrics } from './plugin-metrics.ts';

/** The agent's metrics, by the names kube-proxy and CoreDNS give them where they have one. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly #syncDuration: Histogram;
  readonly #syncLast: Gauge;
  readonly #syncFailures: Counter;
  readonly #services: Gauge;
  readonly #healthz: Counter;
  readonly #livez: Counter;
  readonly #dnsMetrics: DnsMetrics;
  readonly #manifestErrors: Gauge;
  #dns: ServedDns | undefined;

  constructor(version: string) {
    const registers = [this.registry];
    this.#syncDuration = new Histogram({
      name: 'kubeproxy_sync_proxy_rules_duration_seconds',
      help: 'How long it took to compare the rules and send the difference',
      buckets: Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index),
      registers,
    });
    this.#syncLast = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
      help: 'When the rules were last known to be right',
      registers,
    });
    this.#syncFailures = new Counter({
      name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
      help: 'How often the kernel refused the rules',
      registers,
    });
    const codes = { labelNames: ['code'], registers };
    this.#healthz = new Counter({
      name: 'kubeproxy_proxy_healthz_total',
      help: 'Answers of /healthz by status',
      ...codes,
    });
    this.#livez = new Counter({
      name: 'kubeproxy_proxy_livez_total',
      help: 'Answers of /livez by status',
      ...codes,
    });
    this.#services = new Gauge({ name: 'podwire_services', help: 'Services known', registers });
    this.#manifestErrors = new Gauge({
      name: 'podwire_manifest_errors',
      help: 'Manifests that are broken now; their last good state is in force',
      registers,
    });
    new Gauge({
      name: 'podwire_build_info',
      help: 'Always 1; the label tells the version',
      labelNames: ['version'],
      registers,
    }).set({ version }, 1);
    this.#dnsMetrics = new DnsMetrics(this.registry, () => this.#dns);
  }

  /** Where the plugins of a Corefile count. */
  get plugins(): PluginMetrics {
    return this.#dnsMetrics.plugins;
  }

  /** The servers whose counts are shown. */
  set dns(dns: ServedDns) {
    this.#dns = dns;
  }

  synced(durationSeconds: number, failed: boolean, services: number): void {
    this.#syncDuration.observe(durationSeconds);
    this.#services.set(services);
    if (failed) this.#syncFailures.inc();
    else this.#syncLast.setToCurrentTime();
  }

  /** Counts an answer of /healthz. */
  readonly healthz = (code: number): void => this.#healthz.inc({ code });

  /** Counts an answer of /livez. */
  readonly livez = (code: number): void => this.#livez.inc({ code });

  published(publication: Publication): void {
    this.#dnsMetrics.published(publication);
  }

  manifestErrors(count: number): void {
    this.#manifestErrors.set(count);
  }
}
