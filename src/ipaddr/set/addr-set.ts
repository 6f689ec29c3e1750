import { Addr } from '../addr.ts';
import { Prefix } from '../prefix.ts';
import { Range } from '../range.ts';
import { summarize } from '../summarize.ts';
import {
  type Boundaries,
  BoundaryWriter,
  boundariesUpTo,
  boundaryAddr,
  combine,
  emptyBoundaries,
  isInside,
} from './boundaries.ts';

/**
 * An immutable set of addresses of both families, kept as intervals: its size in memory and the time
 * of every operation depend on how many gaps it has, not on how many addresses. Zones are dropped.
 */
export class AddrSet {
  static readonly EMPTY = new AddrSet(emptyBoundaries(4), emptyBoundaries(6));

  readonly #v4: Boundaries;
  readonly #v6: Boundaries;

  private constructor(v4: Boundaries, v6: Boundaries) {
    this.#v4 = v4;
    this.#v6 = v6;
  }

  /** The set of all addresses in any of the items, in any order. O(n log n). */
  static of(items: Iterable<Addr | Prefix | Range>): AddrSet {
    const ranges = Array.from(items, toRange).sort((a, b) => a.compare(b));
    const v4 = ranges.filter(({ first }) => first.family === 4);
    const v6 = ranges.filter(({ first }) => first.family === 6);
    return new AddrSet(fromSorted(4, v4), fromSorted(6, v6));
  }

  /** Allocates nothing; O(log n). */
  contains(addr: Addr): boolean {
    return isInside(addr.family === 4 ? this.#v4 : this.#v6, addr);
  }

  /** Whether every address of the item is in the set. O(log n). */
  covers(item: Prefix | Range): boolean {
    const { first, last } = toRange(item);
    const boundaries = first.family === 4 ? this.#v4 : this.#v6;
    const before = boundariesUpTo(boundaries, first);
    return (before & 1) === 1 && boundariesUpTo(boundaries, last) === before;
  }

  union(other: AddrSet): AddrSet {
    return this.#combine(other, (a, b) => a || b);
  }

  intersection(other: AddrSet): AddrSet {
    return this.#combine(other, (a, b) => a && b);
  }

  /** What is in this set and not in the other. */
  difference(other: AddrSet): AddrSet {
    return this.#combine(other, (a, b) => a && !b);
  }

  equals(other: AddrSet): boolean {
    const none = this.#combine(other, (a, b) => a !== b);
    return none.isEmpty;
  }

  get isEmpty(): boolean {
    return this.#v4.count === 0 && this.#v6.count === 0;
  }

  /** How many addresses there are. */
  get size(): bigint {
    let size = 0n;
    for (const range of this.ranges()) size += range.size;
    return size;
  }

  /** The fewest ranges that are the set, IPv4 first, in order. */
  *ranges(): Generator<Range, undefined> {
    yield* rangesFrom(this.#v4, 0);
    yield* rangesFrom(this.#v6, 0);
  }

  /** The fewest prefixes that are the set, IPv4 first, in order. */
  *prefixes(): Generator<Prefix, undefined> {
    for (const range of this.ranges()) yield* summarize(range);
  }

  /**
   * The first prefix of length `bits` of the family that is whole in the set and begins at `from` or
   * later; undefined when there is none.
   */
  nextSubnet(family: 4 | 6, bits: number, from?: Addr): Prefix | undefined {
    const boundaries = family === 4 ? this.#v4 : this.#v6;
    const start = from === undefined ? 0 : boundariesUpTo(boundaries, from) & ~1;
    for (const { first, last } of rangesFrom(boundaries, start)) {
      const least = from !== undefined && from.compare(first) > 0 ? from : first;
      const aligned = alignUp(least, bits);
      if (aligned === undefined) return undefined;
      const prefix = Prefix.of(aligned, bits);
      if (prefix.last().compare(last) <= 0) return prefix;
    }
    return undefined;
  }

  #combine(other: AddrSet, keep: (inThis: boolean, inOther: boolean) => boolean): AddrSet {
    return new AddrSet(combine(this.#v4, other.#v4, keep), combine(this.#v6, other.#v6, keep));
  }
}

function toRange(item: Addr | Prefix | Range): Range {
  if (item instanceof Range) return item;
  return item instanceof Prefix ? Range.ofPrefix(item) : Range.of(item, item);
}

/** Joins ranges that overlap or touch. They are sorted by their first addresses. */
function fromSorted(family: 4 | 6, ranges: readonly Range[]): Boundaries {
  const writer = new BoundaryWriter(family, ranges.length * 2);
  // The first address after what was read so far; undefined before all, null beyond the last one.
  let end: Addr | undefined | null;
  for (const { first, last } of ranges) {
    if (end === null) break;
    if (end === undefined || first.compare(end) > 0) {
      if (end !== undefined) writer.addAddr(end);
      writer.addAddr(first);
    }
    const after = last.next() ?? null;
    if (end === undefined || after === null || after.compare(end) > 0) end = after;
  }
  if (end) writer.addAddr(end);
  return writer.finish();
}

/** The ranges that begin at the boundary of an even index, and after. */
function* rangesFrom(boundaries: Boundaries, index: number): Generator<Range, undefined> {
  for (let at = index; at < boundaries.count; at += 2) {
    const first = boundaryAddr(boundaries, at);
    const after = at + 1 < boundaries.count ? boundaryAddr(boundaries, at + 1) : undefined;
    yield Range.of(first, after?.prev() ?? lastOf(boundaries.family));
  }
}

function lastOf(family: 4 | 6): Addr {
  return family === 4 ? Addr.v4(-1) : Addr.v6(-1, -1, -1, -1);
}

/** The first address at `addr` or later that a prefix of the length can begin at. */
function alignUp(addr: Addr, bits: number): Addr | undefined {
  const prefix = Prefix.of(addr, bits);
  const first = prefix.first();
  return first.equals(addr) ? first : prefix.last().next();
}
