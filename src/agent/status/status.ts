import type { DegradedName } from '../health/degraded-states.ts';

/*
 * What `podwire status -o json` prints, and /status on the admin socket and /status.json answer. Fields
 * are added and keep their meaning; none is renamed or taken away. Times are ISO 8601 in UTC,
 * durations are in the unit their name ends in, and what is not known is null. There is nothing in it
 * that is secret: no credentials, and no object of the cluster but names and addresses.
 */

/** Of each list so many are told; `...Count` beside it counts all. */
export const LIST_MAX = 500;

/** How the agent is doing. */
export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly nodeName: string;
  readonly startedAt: string;
  /** When this was told. */
  readonly at: string;
  readonly uptimeSeconds: number;
  readonly memoryBytes: number;
  /** What /readyz says: null when ready, or why not. */
  readonly notReady: string | null;
  readonly degraded: readonly DegradedStatus[];
  readonly sources: readonly SourceStatus[];
  readonly objects: ObjectCounts;
  readonly nodes: readonly NodeStatus[];
  readonly nodeCount: number;
  readonly proxy: ProxyStatus;
  readonly dns: DnsStatus;
  readonly pods: PodsStatus;
}

/** Something that is wrong now. */
export interface DegradedStatus {
  readonly state: DegradedName;
  /** Which of several, such as a Service; empty where there is one only. */
  readonly about: string;
  readonly since: string;
  readonly text: string;
  /** What it means, and what to do about it. */
  readonly what: string;
  readonly todo: string;
}

/** A place that objects come from. */
export interface SourceStatus {
  readonly kind: 'manifests' | 'kube' | 'etcd';
  /** The directory or server. */
  readonly place: string;
  /**
   * `current`: every change is heard of; `stale`: what was known last is in force; `saved`: the same,
   * from the saved state; `unknown`: nothing was heard yet.
   */
  readonly state: 'current' | 'stale' | 'saved' | 'unknown';
  /** When the server was last heard. */
  readonly heardAt: string | null;
  /** Since when the objects may be out of date; null while they are not. */
  readonly staleSince: string | null;
  readonly objects: number;
  /** What is wrong now. */
  readonly errors: readonly string[];
  readonly errorCount: number;
}

/** Objects of all sources that are in force. */
export interface ObjectCounts {
  readonly services: number;
  readonly endpointSlices: number;
  readonly nodes: number;
  readonly namespaces: number;
  readonly pods: number;
}

/** A node of the cluster. */
export interface NodeStatus {
  readonly name: string;
  /** Whether it is the one this agent is on. */
  readonly isOwn: boolean;
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
}

/** The Service proxy. */
export interface ProxyStatus {
  readonly backend: string;
  /** Whether the last sync held. */
  readonly synced: boolean;
  /** Whether the kernel keeps others from changing the rules, and why; null before the first sync. */
  readonly protection: { readonly isOwned: boolean; readonly reason: string } | null;
  readonly services: number;
  /** Ways in to Services: one for each address, protocol and port. */
  readonly routes: number;
  /** The last attempt. */
  readonly lastSync: SyncStatus | null;
  readonly syncCount: number;
  readonly failureCount: number;
  /** Services the kernel refuses, with what it says. */
  readonly quarantined: readonly { readonly service: string; readonly error: string }[];
  readonly quarantinedCount: number;
}

/** An attempt to make the kernel follow. */
export interface SyncStatus {
  readonly at: string;
  readonly durationMs: number;
  /** Changes sent to the kernel; null when it failed. */
  readonly changes: number | null;
  readonly error: string | null;
}

/** The DNS server. */
export interface DnsStatus {
  readonly servers: readonly DnsServerStatus[];
  readonly corefile: string | null;
  /** Names in the table, and the memory it takes. */
  readonly names: number;
  readonly tableBytes: number;
  /** How often names were published since the start, and when last. */
  readonly generation: number;
  readonly publishedAt: string | null;
  /** Answers a second, over the last seconds. */
  readonly answersPerSecond: number;
  readonly rcodes: readonly RcodeStatus[];
}

/** A listener of the DNS server. */
export interface DnsServerStatus {
  /** As CoreDNS has it, such as `dns://:53`. */
  readonly label: string;
  readonly port: number;
}

/** How often DNS answered with a code. */
export interface RcodeStatus {
  readonly rcode: string;
  readonly total: number;
  readonly perSecond: number;
}

/** What CNI plugins left on this node, as the disk and the kernel tell. */
export interface PodsStatus {
  /** Addresses that are reserved, of all networks. */
  readonly reservations: readonly Reservation[];
  readonly reservationCount: number;
  /** Links of this node whose other end is in another network namespace, as that of a pod is. */
  readonly attachmentCount: number;
  /** Why not all could be read. */
  readonly errors: readonly string[];
}

/** An address that is taken, by host-local. */
export interface Reservation {
  readonly network: string;
  readonly address: string;
  readonly containerId: string;
  readonly interface: string;
}
