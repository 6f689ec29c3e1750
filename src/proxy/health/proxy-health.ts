import type { ClusterState } from '../../cluster/store.ts';

/** The taint of a node that the cluster autoscaler is about to take away. */
const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';
/** What Go prints of a time that never was. */
const NEVER = '0001-01-01T00:00:00Z';

/** The answer of /healthz and /livez, as kube-proxy's (pkg/proxy/healthcheck/proxy_health.go). */
export interface HealthReport {
  readonly lastUpdated: string;
  readonly currentTime: string;
  /** Of /healthz alone: whether load balancers should send anything to this node. */
  readonly nodeEligible?: boolean;
  readonly healthy: boolean;
  readonly status: Readonly<
    Record<'IPv4' | 'IPv6', { readonly lastUpdated: string; readonly healthy: boolean }>
  >;
}

/**
 * Whether the kernel follows the Services soon enough: nothing that is to be done waits for longer
 * than a time. As long as the Services are not known there is nothing to do, and rules that are there
 * go on; to be ended for that would help nobody.
 */
export class ProxyHealth {
  /** For so long something may wait. */
  timeoutMs: number;
  readonly #now: () => number;
  #lastUpdatedMs: number | undefined;
  /** Since when something waits. */
  #pendingSinceMs: number | undefined;

  /** `timeoutMs` is twice the sync period, as kube-proxy has it; `now` a clock like Date.now. */
  constructor(timeoutMs: number, now: () => number = Date.now) {
    this.timeoutMs = timeoutMs;
    this.#now = now;
  }

  /** There is something to do, or an attempt to do it failed. */
  queued(): void {
    this.#pendingSinceMs ??= this.#now();
  }

  /** All is done. */
  updated(): void {
    this.#pendingSinceMs = undefined;
    this.#lastUpdatedMs = this.#now();
  }

  get isHealthy(): boolean {
    const pendingSinceMs = this.#pendingSinceMs;
    return pendingSinceMs === undefined || this.#now() - pendingSinceMs < this.timeoutMs;
  }

  /** What /livez answers, or /healthz where the node's eligibility is given. */
  report(nodeEligible?: boolean): HealthReport {
    const healthy = this.isHealthy;
    const currentTime = new Date(this.#now()).toISOString();
    const updated =
      this.#lastUpdatedMs === undefined ? NEVER : new Date(this.#lastUpdatedMs).toISOString();
    const family = { lastUpdated: updated, healthy };
    return {
      // Of a healthy proxy it is always recent, though nothing may have changed for long.
      lastUpdated: healthy && nodeEligible !== false ? currentTime : updated,
      currentTime,
      ...(nodeEligible === undefined ? {} : { nodeEligible }),
      healthy,
      // Both families change in one transaction.
      status: { IPv4: family, IPv6: family },
    };
  }
}

/** Whether a node should get traffic from load balancers (KEP-3836). */
export class NodeEligibility {
  readonly #nodeName: string;
  #wasThere = false;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /**
   * False once our Node object is being deleted, is gone, or has the autoscaler's taint. A cluster
   * that never had it says nothing of its nodes.
   */
  isEligible({ nodes }: Pick<ClusterState, 'nodes'>): boolean {
    const node = nodes.get(this.#nodeName);
    if (node === undefined) return !this.#wasThere;
    this.#wasThere = true;
    return !node.deleting && !node.taints.includes(TO_BE_DELETED_TAINT);
  }
}
