import { isHeadless } from '../cluster/objects.ts';
import type { ClusterState, Store } from '../cluster/store.ts';
import { ClusterZone } from './cluster-zone.ts';
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

/** How a store is followed. */
export interface FollowedZoneOptions {
  readonly zone: KubernetesZoneOptions;
  /** Address space for the table, by default TABLE_BYTES_MAX. */
  readonly tableBytes?: number;
  readonly onPublish?: (publication: Publication) => void;
  /** Called when a change could not be taken over, for the table is full. */
  readonly onFailure: (error: Error) => void;
}

/** What a store is to the DNS server. */
export type ZoneSource = ClusterState & Pick<Store, 'subscribe'>;

/** A zone that is kept equal to the objects of a store, at once. */
export class FollowedZone implements Disposable {
  readonly zone: ClusterZone;
  readonly #options: FollowedZoneOptions;
  readonly #unsubscribe: () => void;
  /** By Service, the newest time of a change that was measured. */
  readonly #triggers = new Map<string, string>();

  /** Takes over what the store has. Throws NameError and TableFullError. */
  constructor(store: ZoneSource, options: FollowedZoneOptions) {
    const start = performance.now();
    this.#options = options;
    this.zone = new ClusterZone(options.zone, options.tableBytes);
    this.zone.load(store);
    this.zone.setSynced(store.isComplete);
    this.zone.setStale(store.isStale);
    this.#unsubscribe = store.subscribe((state, services, others) => {
      const since = performance.now();
      try {
        this.zone.update(state, services, others);
        this.zone.setSynced(state.isComplete);
        this.zone.setStale(state.isStale);
      } catch (error) {
        options.onFailure(error as Error);
        return;
      }
      this.#published(since, this.#programming(state, services));
    });
    this.#published(start, []);
  }

  /** Follows no more. */
  [Symbol.dispose](): void {
    this.#unsubscribe();
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
