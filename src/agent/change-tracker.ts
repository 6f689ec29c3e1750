import type { EndpointSlice, Service } from '../cluster/objects.ts';
import type { ClusterState } from '../cluster/store.ts';

/** Set by the endpoint slice controller (core/v1 EndpointsLastChangeTriggerTime, RFC 3339). */
const TRIGGER_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';
/** Triggers that wait for the kernel; further ones are not measured. */
const TRIGGERS_MAX = 10_000;

/** What made endpoints change, and when: the start of a network programming latency. */
export interface Trigger {
  readonly family: 4 | 6;
  /** Of Date.now. */
  readonly atMs: number;
}

/** How many objects changed. */
export interface ChangeCounts {
  readonly services: number;
  readonly endpoints: number;
}

/**
 * Which Services and EndpointSlices changed since the kernel last followed, by what kube-proxy counts
 * (pkg/proxy/endpointschangetracker.go). What was triggered before this began is not measured.
 */
export class ChangeTracker {
  readonly #startMs: number;
  /** The objects that were counted; a changed one is another object. */
  readonly #seen = new WeakSet<Service | EndpointSlice>();
  readonly #services = new Set<string>();
  #triggers: Trigger[] = [];
  #pending = { services: 0, endpoints: 0 };

  constructor(startMs = Date.now()) {
    this.#startMs = startMs;
  }

  /** What waits. */
  get pending(): ChangeCounts {
    return this.#pending;
  }

  /** Counts what changed of the Services that are touched, and gives it. */
  update(
    state: Pick<ClusterState, 'services' | 'slicesOf'>,
    touched: readonly string[],
  ): ChangeCounts {
    const counts = { services: 0, endpoints: 0 };
    for (const key of touched) {
      const isServiceChanged = this.#serviceChanged(key, state.services.get(key));
      if (isServiceChanged) counts.services += 1;
      const [namespace = '', name = ''] = key.split('/');
      const slices = state.slicesOf(namespace, name).filter((slice) => !this.#seen.has(slice));
      for (const slice of slices) {
        this.#seen.add(slice);
        this.#trigger(slice);
      }
      // Touched, and nothing is new: a slice is gone.
      counts.endpoints += slices.length === 0 && !isServiceChanged ? 1 : slices.length;
    }
    this.#pending.services += counts.services;
    this.#pending.endpoints += counts.endpoints;
    return counts;
  }

  /** The kernel follows: nothing waits any more. Gives what triggered it. */
  take(): readonly Trigger[] {
    const triggers = this.#triggers;
    this.#triggers = [];
    this.#pending = { services: 0, endpoints: 0 };
    return triggers;
  }

  #serviceChanged(key: string, service: Service | undefined): boolean {
    if (service === undefined) return this.#services.delete(key);
    this.#services.add(key);
    if (this.#seen.has(service)) return false;
    this.#seen.add(service);
    return true;
  }

  #trigger({ addressType, metadata }: EndpointSlice): void {
    const text = metadata.annotations[TRIGGER_ANNOTATION];
    if (text === undefined || addressType === 'FQDN') return;
    const atMs = Date.parse(text);
    if (!(atMs > this.#startMs) || this.#triggers.length >= TRIGGERS_MAX) return;
    this.#triggers.push({ family: addressType === 'IPv4' ? 4 : 6, atMs });
  }
}
