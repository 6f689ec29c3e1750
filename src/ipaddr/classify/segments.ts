import { Addr } from '../addr.ts';
import type { Prefix } from '../prefix.ts';
import { type Boundaries, BoundaryWriter, boundariesUpTo } from '../set/boundaries.ts';

/** A family cut into segments, and a value for each. */
export interface Segments<T> {
  readonly cuts: Boundaries;
  /** The first is from the first address on. */
  readonly values: readonly T[];
}

/**
 * Cuts a family where any of the prefixes begins or ends, so that the addresses of a segment are all
 * in the same prefixes, and asks `describe` for the value of each by its first address:
 *
 *     prefixes        |------------------|
 *                         |-----|
 *     segments    |---|---|-----|--------|----|
 */
export function cutSegments<T>(
  family: 4 | 6,
  prefixes: readonly Prefix[],
  describe: (first: Addr) => T,
): Segments<T> {
  const least = family === 4 ? Addr.v4(0) : Addr.v6(0, 0, 0, 0);
  const starts = [least, ...prefixes.flatMap((each) => [each.first(), each.last().next()])]
    .filter((addr) => addr !== undefined)
    .sort((a, b) => a.compare(b))
    .filter((addr, index, all) => index === 0 || all[index - 1]?.equals(addr) === false);
  const writer = new BoundaryWriter(family, starts.length);
  for (const start of starts) writer.addAddr(start);
  return { cuts: writer.finish(), values: starts.map(describe) };
}

/** The value of the segment the address is in. Allocates nothing; O(log n). */
export function segmentOf<T>({ cuts, values }: Segments<T>, addr: Addr): T {
  return values[boundariesUpTo(cuts, addr) - 1] as T;
}
