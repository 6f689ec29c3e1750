import { isHeadless } from '../cluster/objects.ts';
import type { ClusterState, Store } from '../cluster/store.ts';
import { ClusterZone } from './cluster-zone.ts';
import { DnsServer, type DnsServerOptions } from './server/server.ts';
import type { KubernetesZoneOptions } from './zone/options.ts';

/** When the endpoints of a slice changed (core/v1 EndpointsLastChangeTriggerTime). */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

/** One change, from the moment pods changed to that in which DNS says so. */
export interface Programming {
  /** As CoreDNS labels it. */
  readonly serviceKind: 'cluster_ip' | 'headless_with_selector';
  readonly durationSeconds: number;
}

/** What was published. */
export interface Publication {
  readonly names: number;
  readonly tableBytes: number;
  readonly durationSeconds: number;
  readonly programming: readonly Programming[];
}

/** What the cluster DNS is started with. */
export interface ClusterDnsOptions extends Omit<DnsServerOptions, 'table'> {
  readonly zone: KubernetesZoneOptions;
  /** Whether the store has all there is; without it what is missing is SERVFAIL until `setSynced`. */
  readonly isSynced?: boolean;
  /** Address space for the table, by default TABLE_BYTES_MAX. */
  readonly tableBytes?: number;
  readonly onPublish?: (publication: Publication) => void;
}

/** What a store is to the DNS server. */
type Source = ClusterState & Pick<Store, 'subscribe'>;

/** Keeps a DNS server's answers equal to the Services of a store, at once. */
export class ClusterDns {
  readonly server: DnsServer;
  readonly zone: ClusterZone;
  readonly #options: ClusterDnsOptions;
  readonly #unsubscribe: () => void;
  /** By Service, the newest time of a change that was measured. */
  readonly #triggers = new Map<string, string>();

  private constructor(
    server: DnsServer,
    zone: ClusterZone,
    store: Source,
    options: ClusterDnsOptions,
  ) {
    this.server = server;
    this.zone = zone;
    this.#options = options;
    this.#unsubscribe = store.subscribe((state, services, others) => {
      const start = performance.now();
      try {
        this.zone.update(state, services, others);
      } catch (error) {
        options.onFailure(error as Error);
        return;
      }
      this.#published(start, this.#programming(state, services));
    });
  }

  /** Takes over what the store has and starts to listen. Rejects when it can't listen. */
  static async start(store: Source, options: ClusterDnsOptions): Promise<ClusterDns> {
    const start = performance.now();
    const zone = new ClusterZone(options.zone, options.tableBytes);
    zone.load(store);
    zone.setSynced(options.isSynced ?? true);
    // What changes while the threads start is not to be missed.
    let failure: unknown;
    const unsubscribe = store.subscribe((...change) => {
      try {
        zone.update(...change);
      } catch (error) {
        failure ??= error;
      }
    });
    let server: DnsServer;
    try {
      server = await DnsServer.start({ ...options, table: zone.table });
    } finally {
      unsubscribe();
    }
    const dns = new ClusterDns(server, zone, store, options);
    if (failure !== undefined) options.onFailure(failure as Error);
    dns.#published(start, []);
    return dns;
  }

  /** Says whether what the store does not have is known not to exist. */
  setSynced(isSynced: boolean): void {
    this.zone.setSynced(isSynced);
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.server.stop();
  }

  #published(start: number, programming: readonly Programming[]): void {
    this.#options.onPublish?.({
      names: this.zone.nameCount,
      tableBytes: this.zone.usedBytes,
      durationSeconds: (performance.now() - start) / 1000,
      programming,
    });
  }

  #programming(state: ClusterState, services: readonly string[]): Programming[] {
    const now = Date.now();
    return services.flatMap((key) => {
      const service = state.services.get(key);
      if (service === undefined) {
        this.#triggers.delete(key);
        return [];
      }
      const slices = state.slicesOf(service.metadata.namespace, service.metadata.name);
      const times = slices.map(({ metadata }) => metadata.annotations[TRIGGER_TIME] ?? '');
      const newest = times.sort().at(-1) ?? '';
      if (newest === '' || newest <= (this.#triggers.get(key) ?? '')) return [];
      this.#triggers.set(key, newest);
      const durationSeconds = (now - Date.parse(newest)) / 1000;
      if (!(durationSeconds >= 0)) return [];
      const serviceKind = isHeadless(service) ? 'headless_with_selector' : 'cluster_ip';
      return [{ serviceKind, durationSeconds }];
    });
  }
}
