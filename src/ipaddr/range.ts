import type { Addr } from './addr.ts';

/** All addresses from `first` to `last`, both included, of one family. */
export class Range {
  readonly first: Addr;
  readonly last: Addr;

  private constructor(first: Addr, last: Addr) {
    this.first = first;
    this.last = last;
  }

  /** Throws RangeError when the families differ or `last` comes before `first`. */
  static of(first: Addr, last: Addr): Range {
    if (first.family !== last.family || first.compare(last) > 0) {
      throw new RangeError(`a range needs two addresses of a family in order: ${first}-${last}`);
    }
    return new Range(first, last);
  }

  contains(addr: Addr): boolean {
    return this.first.compare(addr) <= 0 && addr.compare(this.last) <= 0;
  }

  /**
   * Whether the two have an address in common:
   *
   *     this       f--------t
   *     other  f-------t             common
   *     other          f--------t    common
   *     other f--t                   none
   */
  overlaps(other: Range): boolean {
    return this.first.compare(other.last) <= 0 && other.first.compare(this.last) <= 0;
  }

  toString(): string {
    return `${this.first}-${this.last}`;
  }
}
