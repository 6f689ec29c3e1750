import type { Addr } from './addr.ts';
import { AddrSyntaxError, parseAddr } from './parse-addr.ts';
import type { Prefix } from './prefix.ts';

/** All addresses from `first` to `last`, both included, of one family. */
export class Range {
  readonly first: Addr;
  readonly last: Addr;

  private constructor(first: Addr, last: Addr) {
    this.first = first;
    this.last = last;
  }

  /**
   * Throws RangeError when the families differ or `last` comes before `first`. A zone is dropped: no
   * range has one.
   */
  static of(first: Addr, last: Addr): Range {
    const [from, to] = [first.withZone(''), last.withZone('')];
    if (from.family !== to.family || from.compare(to) > 0) {
      throw new RangeError(`a range needs two addresses of a family in order: ${first}-${last}`);
    }
    return new Range(from, to);
  }

  /** All addresses of a prefix. */
  static ofPrefix(prefix: Prefix): Range {
    return new Range(prefix.first(), prefix.last());
  }

  /** How many addresses there are. */
  get size(): bigint {
    return this.last.minus(this.first) + 1n;
  }

  /** Whether the address is in the range, in whatever zone; never across families. */
  contains(addr: Addr): boolean {
    return this.first.compareValue(addr) <= 0 && addr.compareValue(this.last) <= 0;
  }

  /** Whether the whole of the other range is in this one:
   *
   *     this    f-----------t
   *     other      f----t
   */
  covers(other: Range): boolean {
    return this.first.compare(other.first) <= 0 && other.last.compare(this.last) <= 0;
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

  /** A total order: by the first address, then the shorter range first. */
  compare(other: Range): number {
    return this.first.compare(other.first) || this.last.compare(other.last);
  }

  equals(other: Range): boolean {
    return this.first.equals(other.first) && this.last.equals(other.last);
  }

  toString(): string {
    return `${this.first}-${this.last}`;
  }
}

const SYNTAX = 'IP range';

/** Reads `first-last`, both strictly and without a zone. Throws AddrSyntaxError. */
export function parseRange(text: string): Range {
  const dash = text.indexOf('-');
  if (dash < 0) throw new AddrSyntaxError(text, text.length, '"-" and the last address', SYNTAX);
  const first = parsePart(text, 0, dash);
  const last = parsePart(text, dash + 1, text.length);
  if (first.family !== last.family || first.compare(last) > 0) {
    const expected = `an IPv${first.family} address from ${first} on`;
    throw new AddrSyntaxError(text, dash + 1, expected, SYNTAX);
  }
  return Range.of(first, last);
}

/** An address that is a part of `text`; an error points into the whole. */
function parsePart(text: string, start: number, end: number): Addr {
  const part = text.slice(start, end);
  try {
    const addr = parseAddr(part);
    if (addr.zone === '') return addr;
  } catch (error) {
    if (!(error instanceof AddrSyntaxError)) throw error;
    throw new AddrSyntaxError(text, start + error.position, error.expected, SYNTAX);
  }
  const percent = start + part.indexOf('%');
  throw new AddrSyntaxError(text, percent, 'no zone, for a range has none', SYNTAX);
}
