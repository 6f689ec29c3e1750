import { Gauge, Registry } from 'prom-client';
import type { Publication } from '../dns/followed-zone.ts';
import { DnsMetrics, type ServedDns } from './dns-metrics.ts';
import { registerDegraded } from './health/metric.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { ProxyMode } from './kube-proxy/settings.ts';
import type { PluginMetrics } from './plugin-metrics.ts';
import { ProxyMetrics } from './proxy-metrics.ts';
import { ServerMetrics } from './server-metrics.ts';

/** The agent's metrics, by the names kube-proxy and CoreDNS give them where they have one. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly proxy: ProxyMetrics;
  readonly kube: ServerMetrics;
  readonly etcd: ServerMetrics;
  readonly #dnsMetrics: DnsMetrics;
  readonly #manifestErrors: Gauge;
  #dns: ServedDns | undefined;

  constructor(version: string, health: HealthRegistry, mode: ProxyMode) {
    const registers = [this.registry];
    this.proxy = new ProxyMetrics(this.registry, mode);
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
    registerDegraded(this.registry, health);
    this.kube = new ServerMetrics(this.registry, 'kube', 'the API server');
    this.etcd = new ServerMetrics(this.registry, 'etcd', 'etcd');
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

  published(publication: Publication): void {
    this.#dnsMetrics.published(publication);
  }

  /** DNS answers since the start, by the name of their response code. */
  dnsAnswers(): ReadonlyMap<string, number> {
    return this.#dnsMetrics.answers();
  }

  manifestErrors(count: number): void {
    this.#manifestErrors.set(count);
  }
}
