import type { Candidate } from './endpoint.ts';

/** Where this node is, for hints. */
export interface Place {
  readonly nodeName: string;
  /** Empty when the node has no zone. */
  readonly zone: string;
}

/** Why the endpoints of a set were taken and others were not, for `explain`. */
export type ChoiceReason =
  | 'ready'
  /** All ready endpoints are hinted to nodes, and some to this one. */
  | 'ready, hinted to this node'
  /** All ready endpoints are hinted to zones, and some to this one. */
  | 'ready, hinted to this zone'
  /** None is ready, so those that are leaving serve to the end (KEP-1669). */
  | 'none ready, terminating ones serve on'
  | 'none';

/** A set of endpoints and the reason it is these. */
export interface Choice {
  readonly endpoints: readonly Candidate[];
  readonly reason: ChoiceReason;
}

/**
 * The endpoints for traffic that may go to any node: the ready ones, fewer where all of them carry
 * hints (KEP-2433, KEP-3015); without any, those that are terminating and still serve.
 */
export function clusterChoice(candidates: readonly Candidate[], place: Place): Choice {
  const ready = candidates.filter(({ isReady }) => isReady);
  if (ready.length === 0) return leavingChoice(candidates);
  const { nodeName, zone } = place;
  if (ready.every(({ nodes }) => nodes !== undefined && nodes.length > 0)) {
    const here = ready.filter(({ nodes }) => nodes?.includes(nodeName));
    if (here.length > 0) return { endpoints: here, reason: 'ready, hinted to this node' };
  }
  if (zone !== '' && ready.every(({ zones }) => zones !== undefined && zones.length > 0)) {
    const here = ready.filter(({ zones }) => zones?.includes(zone));
    if (here.length > 0) return { endpoints: here, reason: 'ready, hinted to this zone' };
  }
  return { endpoints: ready, reason: 'ready' };
}

/** The endpoints for traffic that stays on this node. Hints play no part. */
export function localChoice(candidates: readonly Candidate[]): Choice {
  const local = candidates.filter(({ isLocal }) => isLocal);
  const ready = local.filter(({ isReady }) => isReady);
  return ready.length > 0 ? { endpoints: ready, reason: 'ready' } : leavingChoice(local);
}

function leavingChoice(candidates: readonly Candidate[]): Choice {
  const leaving = candidates.filter(({ isLeaving }) => isLeaving);
  if (leaving.length === 0) return { endpoints: [], reason: 'none' };
  return { endpoints: leaving, reason: 'none ready, terminating ones serve on' };
}
