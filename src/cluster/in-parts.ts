import { setImmediate as others } from 'node:timers/promises';
import type { ClusterObject } from './objects.ts';
import type { StorePart } from './store.ts';

/** So many objects are put in or taken out without a look at anything else: a few milliseconds. */
const OBJECTS_AT_ONCE = 100;

/**
 * Puts objects into a part of a store and takes others out, by their keys, in parts between which others are
 * served. Few are one change. Stops when `signal` says so.
 */
export async function applyInParts(
  part: StorePart,
  put: readonly ClusterObject[],
  remove: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  // Before a Service come its endpoints: with none it would be refused traffic.
  const isService = ({ kind }: ClusterObject) => kind === 'Service';
  const ordered = [...put.filter((each) => !isService(each)), ...put.filter(isService)];
  const all = ordered.length + remove.length;
  for (let at = 0; at < all; at += OBJECTS_AT_ONCE) {
    if (at > 0) await others();
    if (signal.aborted) return;
    const end = at + OBJECTS_AT_ONCE;
    const from = (list: number) => Math.max(0, list - ordered.length);
    part.apply(ordered.slice(at, end), remove.slice(from(at), from(end)));
  }
}
