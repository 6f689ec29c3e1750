import { randomBytes } from 'node:crypto';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import type { Store } from '../cluster/store.ts';
import type { CorefileSource } from '../dns/corefile/parse.ts';
import { CorefileDns, type CorefileNeeds } from '../dns/corefile-dns.ts';
import { ClusterDns, type NamedServer } from '../dns/dns.ts';
import { explainName, type NameExplanation } from '../dns/explain/explain.ts';
import type { Publication } from '../dns/followed-zone.ts';
import { localAddresses } from '../dns/local-addresses.ts';
import type { AnswerClass } from '../dns/plugin/reply.ts';
import { Acl } from '../dns/server/acl.ts';
import { TCP_LIMITS } from '../dns/server/tcp-limits.ts';
import { KUBERNETES_ZONE_DEFAULTS, type KubernetesZoneOptions } from '../dns/zone/options.ts';
import type { Addr } from '../ipaddr/addr.ts';
import type { Prefix } from '../ipaddr/prefix.ts';
import type { ServedDns } from './dns-metrics.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';
import { PublicationRecord } from './status/publication-record.ts';

/** How DNS is answered: by a Corefile, or for the cluster alone. */
export interface AgentDnsOptions {
  readonly corefile?: CorefileSource;
  /** Without a Corefile: the zone of Service names, and the TTL of its records. */
  readonly clusterDomain: string;
  readonly ttlSeconds: number;
  readonly address: string;
  readonly port: number;
  /** Threads for each address and port. */
  readonly workers: number;
  /** Which of the answers of a Corefile are written to the debug log. */
  readonly logClasses: ReadonlySet<AnswerClass>;
  /** Addresses to take over and answer on, in place of `address`; none for that. */
  readonly nodeLocal: readonly Addr[];
  /** Who may transfer zones. */
  readonly transferTo: readonly Prefix[];
}

/** What DNS has to know of the cluster beside Services and namespaces. */
export type DnsNeeds = CorefileNeeds;

/** What the DNS server has from the agent. */
export interface AgentDnsContext {
  readonly log: Logger;
  readonly metrics: AgentMetrics;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
  /** Called when a part dies later. */
  readonly onFailure: (error: Error) => void;
  /** Called when a Corefile comes into force. */
  readonly onNeeds: (needs: DnsNeeds) => void;
}

/** The DNS server of the agent: by a Corefile, or for the cluster's names alone. */
export class AgentDns implements ServedDns {
  /** What was published last. */
  readonly published: PublicationRecord;
  readonly #dns: ClusterDns | CorefileDns;
  readonly #store: Store;
  /** Of the zone, without a Corefile. */
  readonly #options: KubernetesZoneOptions;

  private constructor(
    published: PublicationRecord,
    dns: ClusterDns | CorefileDns,
    store: Store,
    options: KubernetesZoneOptions = KUBERNETES_ZONE_DEFAULTS,
  ) {
    this.published = published;
    this.#dns = dns;
    this.#store = store;
    this.#options = options;
  }

  /** Serves when it resolves. Rejects when the Corefile is wrong or a port is taken. */
  static async start(
    store: Store,
    options: AgentDnsOptions,
    { log, metrics, spawnWorker, onFailure, onNeeds }: AgentDnsContext,
  ): Promise<AgentDns> {
    const { address, corefile, port, workers, nodeLocal, logClasses, transferTo } = options;
    const published = new PublicationRecord();
    const shared = {
      addresses: nodeLocal.length > 0 ? nodeLocal.map(String) : [address],
      port,
      workers,
      answerer: { cookieSecret: randomBytes(16), tcpIdleMs: TCP_LIMITS.idleTimeoutMs },
      transfer: Acl.of(transferTo),
      onFailure,
      onPublish: (publication: Publication) => {
        metrics.published(publication);
        published.published(publication);
        const { names, durationSeconds } = publication;
        log.debug({ names, durationSeconds }, 'DNS names published');
      },
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    };
    if (corefile !== undefined) {
      const served = await CorefileDns.start(store, {
        ...shared,
        source: corefile,
        environment: process.env,
        log,
        metrics: metrics.plugins,
        metricsText: () => metrics.registry.metrics(),
        logClasses,
        onNeeds,
      });
      log.info(
        { corefile: corefile.path, servers: served.servers.map(({ label }) => label) },
        'Corefile in force',
      );
      return new AgentDns(published, served, store);
    }
    const zone = {
      ...KUBERNETES_ZONE_DEFAULTS,
      zones: [options.clusterDomain, 'in-addr.arpa', 'ip6.arpa'],
      ttlSeconds: options.ttlSeconds,
      localAddresses: nodeLocal.length > 0 ? nodeLocal : localAddresses(address),
    };
    const served = await ClusterDns.start(store, { ...shared, zone });
    return new AgentDns(published, served, store, zone);
  }

  get servers(): readonly NamedServer[] {
    return this.#dns.servers;
  }

  /** The port of the first server. */
  get port(): number {
    return this.servers[0]?.server.port ?? 0;
  }

  /** Explains what a name gives now. Throws NameError and QueryTypeError. */
  explain(name: string, type: string): NameExplanation {
    if (this.#dns instanceof CorefileDns) return this.#dns.explain(name, type);
    return explainName(this.#store, this.#options, name, type, { table: this.#dns.zone.table });
  }

  /** Why what the Corefile says now is not in force; undefined when it is, or there is none. */
  get refused(): string | undefined {
    return this.#dns instanceof CorefileDns ? this.#dns.refused : undefined;
  }

  /** Follows another Corefile. Rejects when that is wrong; without one before there is none to replace. */
  async follow(source: CorefileSource): Promise<void> {
    if (this.#dns instanceof CorefileDns) await this.#dns.follow(source);
  }

  /** Looks whether the Corefile has changed; without one there is nothing to look at. */
  async reload(): Promise<void> {
    if (this.#dns instanceof CorefileDns) await this.#dns.reload();
  }

  async stop(): Promise<void> {
    await this.#dns.stop();
  }
}
