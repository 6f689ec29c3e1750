import type { ServerStatus } from '../../cluster/server-source.ts';
import type { ClusterState } from '../../cluster/store.ts';
import type { Degraded } from '../health/registry.ts';
import {
  type DegradedStatus,
  LIST_MAX,
  type NodeStatus,
  type RcodeStatus,
  type SourceStatus,
} from './status.ts';

/*
 * The parts of a status, made of what the parts of the agent know. Pure.
 */

const ERRORS_MAX = 20;

/** What is wrong now, for reading. */
export function degradedStatus(degraded: readonly Degraded[]): readonly DegradedStatus[] {
  return degraded.map(({ sinceMs, ...rest }) => ({ ...rest, since: iso(sinceMs) }));
}

/** How a source that follows a server is doing. */
export function serverStatus(kind: 'kube' | 'etcd', status: ServerStatus): SourceStatus {
  const { server, isSynced, isCurrent, staleSinceMs, restoredFromMs, heardMs, objects } = status;
  const errors = status.resources.flatMap(({ error }) => error ?? []);
  const known = isSynced ? 'stale' : 'unknown';
  return {
    kind,
    place: server,
    state: isCurrent ? 'current' : restoredFromMs === undefined ? known : 'saved',
    heardAt: isoOrNull(heardMs),
    staleSince: isoOrNull(staleSinceMs),
    objects,
    errors: errors.slice(0, ERRORS_MAX),
    errorCount: errors.length,
  };
}

/** How a directory of manifests is doing. Without a word of what is wrong it is read all the time. */
export function manifestsStatus(
  directory: string,
  objects: number,
  errors: readonly string[],
): SourceStatus {
  return {
    kind: 'manifests',
    place: directory,
    state: errors.length === 0 ? 'current' : 'stale',
    heardAt: null,
    staleSince: null,
    objects,
    errors: errors.slice(0, ERRORS_MAX),
    errorCount: errors.length,
  };
}

/** The cluster's nodes, this one first and the others by name; at most LIST_MAX. */
export function nodesStatus(nodes: ClusterState['nodes'], ownName: string): readonly NodeStatus[] {
  const rank = (name: string) => (name === ownName ? 0 : 1);
  return [...nodes.values()]
    .toSorted(
      ({ metadata: { name: a } }, { metadata: { name: b } }) =>
        rank(a) - rank(b) || (a < b ? -1 : 1),
    )
    .slice(0, LIST_MAX)
    .map(({ metadata: { name }, addresses, podCIDRs }) => ({
      name,
      isOwn: name === ownName,
      addresses: addresses.map(({ address }) => address),
      podCIDRs,
    }));
}

/** Response codes with what was counted of each since the start and a second now, most frequent first. */
export function rcodesStatus(
  totals: ReadonlyMap<string, number>,
  rates: ReadonlyMap<string, number>,
): readonly RcodeStatus[] {
  return [...totals]
    .map(([rcode, total]) => ({ rcode, total, perSecond: tenths(rates.get(rcode) ?? 0) }))
    .toSorted((a, b) => b.total - a.total);
}

/** Rounded to tenths. */
export function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}
