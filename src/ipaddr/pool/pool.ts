import type { Addr } from '../addr.ts';
import { parseAddr } from '../parse-addr.ts';
import { Prefix } from '../prefix.ts';
import { parseRange, Range } from '../range.ts';
import { AddrSet } from '../set/addr-set.ts';
import { FreeRuns } from './free-runs.ts';

/** What a pool may give. */
export interface PoolOptions {
  /** Addresses of one family, none in two of them; `allocateNext` goes through them in this order. */
  readonly ranges: readonly Range[];
  /** What is never given, such as gateways. */
  readonly exclude?: Iterable<Addr | Prefix | Range>;
  /**
   * The prefix length of what is given: whole subnets, each named by its first address. By default
   * single addresses. Ranges begin and end with a subnet, and one that has anything excluded in it is
   * excluded.
   */
  readonly bits?: number;
}

/** What of a pool is held, as text. The ranges are not part of it: they are configuration. */
export interface PoolSnapshot {
  /** `first-last` of every run that is held, in order. */
  readonly held: readonly string[];
  /** What `allocateNext` goes on after. */
  readonly last?: string;
}

/**
 * Gives out addresses, or subnets, and takes them back. The same calls give the same answers,
 * always. Each call takes O(log n) of the number of runs of free addresses, and memory goes by that
 * number: a pool of 2^64 addresses that gave none is as small as one of four. The exception is
 * `allocateNext` on ranges that are not in order, which looks at each of those in turn.
 */
export class Pool {
  readonly #bits: number;
  /** Host bits of a subnet that is given; 0 for addresses. */
  readonly #unitBits: number;
  readonly #ranges: AddrSet;
  /** The ranges without what is excluded. */
  readonly #given: AddrSet;
  readonly #stretches: readonly Range[];
  readonly #lowest: Addr;
  readonly #free: FreeRuns;
  #heldCount = 0;
  #last: Addr | undefined;

  private constructor({ ranges, exclude = [], bits }: PoolOptions) {
    const [range] = ranges;
    if (range === undefined) throw new RangeError('a pool needs a range');
    const { family, bits: addrBits } = range.first;
    this.#bits = bits ?? addrBits;
    this.#unitBits = addrBits - this.#bits;
    const sorted = checkRanges(ranges, family, this.#bits);
    this.#stretches = stretchesOf(ranges, sorted);
    this.#lowest = sorted[0]?.first ?? range.first;
    this.#ranges = AddrSet.of(ranges);
    this.#given = this.#ranges.difference(wholeSubnets(exclude, family, this.#bits));
    this.#free = new FreeRuns(family);
    for (const run of this.#given.ranges()) this.#free.give(run.first, run.last);
  }

  /** Throws RangeError for no range, two families, an overlap, or a range that is no whole subnets. */
  static of(options: PoolOptions): Pool {
    return new Pool(options);
  }

  /**
   * A pool in which all that was held is held. Throws RangeError when something of it is not of the
   * pool, and AddrSyntaxError for what is no range.
   */
  static restore(options: PoolOptions, { held, last }: PoolSnapshot): Pool {
    const pool = new Pool(options);
    for (const text of held) pool.#hold(parseRange(text));
    if (last !== undefined) pool.#last = parseAddr(last);
    return pool;
  }

  /** How many the pool can give in all. */
  get size(): bigint {
    return this.#given.size >> BigInt(this.#unitBits);
  }

  get heldCount(): number {
    return this.#heldCount;
  }

  get freeCount(): bigint {
    return this.size - BigInt(this.#heldCount);
  }

  /** How many runs of free addresses there are, by which time and memory go. */
  get runCount(): number {
    return this.#free.count;
  }

  /** The last one that was allocated, in whatever way. */
  get last(): Addr | undefined {
    return this.#last;
  }

  /** Whether the pool gives it, now or another time. */
  gives(addr: Addr): boolean {
    return this.#given.contains(addr) && startsSubnet(addr, this.#bits);
  }

  isFree(addr: Addr): boolean {
    return this.gives(addr) && this.#free.has(addr);
  }

  /** Takes this one; false when it is held or the pool does not give it. */
  allocate(addr: Addr): boolean {
    if (!this.reserve(addr)) return false;
    this.#last = addr.withZone('');
    return true;
  }

  /**
   * Takes the first free one after `after`, by default the last one allocated: through the ranges in
   * their order, round once, `after` itself at the end. From the beginning when `after` is in no range.
   * This is the order of the reference plugin host-local. Undefined when none is free.
   */
  allocateNext(after: Addr | undefined = this.#last): Addr | undefined {
    const addr = this.#nextFree(after);
    if (addr !== undefined) this.allocate(addr);
    return addr;
  }

  /** Takes the lowest free one; undefined when there is none. */
  allocateLowest(): Addr | undefined {
    const addr = this.#free.firstFrom(this.#lowest);
    if (addr !== undefined) this.allocate(addr);
    return addr;
  }

  /** As allocate, but `allocateNext` goes on where it was. */
  reserve(addr: Addr): boolean {
    if (!this.gives(addr) || !this.#free.take(addr, this.#endOf(addr))) return false;
    this.#heldCount += 1;
    return true;
  }

  /** Takes it back; false when it is not held. */
  release(addr: Addr): boolean {
    if (!this.gives(addr) || !this.#free.give(addr, this.#endOf(addr))) return false;
    this.#heldCount -= 1;
    return true;
  }

  /** What is held, to be restored into a pool of the same ranges, in another process or later. */
  snapshot(): PoolSnapshot {
    const held = this.#given.difference(AddrSet.of(this.#free.ranges()));
    return {
      held: Array.from(held.ranges(), String),
      ...(this.#last === undefined ? {} : { last: `${this.#last}` }),
    };
  }

  #hold(range: Range): void {
    const isWhole = startsSubnet(range.first, this.#bits) && endsSubnet(range.last, this.#bits);
    if (!isWhole || !this.#given.covers(range)) {
      throw new RangeError(`${range}, which is held, is not of the pool`);
    }
    if (!this.#free.take(range.first, range.last)) throw new RangeError(`${range} is held twice`);
    this.#heldCount += Number(range.size >> BigInt(this.#unitBits));
  }

  #nextFree(after: Addr | undefined): Addr | undefined {
    const stretches = this.#stretches;
    const isInside = after !== undefined && this.#ranges.contains(after);
    const begin = isInside ? stretches.findIndex((stretch) => stretch.contains(after)) : 0;
    const rest = isInside ? after.next() : undefined;
    const here = stretches[begin];
    if (here !== undefined && rest !== undefined && here.contains(rest)) {
      const addr = this.#freeIn(rest, here.last);
      if (addr !== undefined) return addr;
    }
    for (let step = isInside ? 1 : 0; step < stretches.length; step += 1) {
      const stretch = stretches[(begin + step) % stretches.length];
      const addr = stretch && this.#freeIn(stretch.first, stretch.last);
      if (addr !== undefined) return addr;
    }
    return here === undefined || !isInside ? undefined : this.#freeIn(here.first, after);
  }

  #freeIn(from: Addr, to: Addr): Addr | undefined {
    const addr = this.#free.firstFrom(from);
    return addr === undefined || addr.compareValue(to) > 0 ? undefined : addr;
  }

  #endOf(addr: Addr): Addr {
    return this.#unitBits === 0 ? addr : Prefix.of(addr, this.#bits).last();
  }
}

/** The ranges by address. Throws RangeError. */
function checkRanges(ranges: readonly Range[], family: 4 | 6, bits: number): Range[] {
  const sorted = ranges.toSorted((a, b) => a.compare(b));
  sorted.forEach((range, index) => {
    const before = sorted[index - 1];
    if (range.first.family !== family) {
      throw new RangeError(`a pool has one family, got ${ranges.join(' and ')}`);
    }
    if (before?.overlaps(range)) throw new RangeError(`ranges ${before} and ${range} overlap`);
    if (!startsSubnet(range.first, bits) || !endsSubnet(range.last, bits)) {
      throw new RangeError(`range ${range} does not begin and end with a /${bits}`);
    }
  });
  return sorted;
}

/**
 * Ranges that stand in the order of their addresses are gone through as one, for what lies between
 * them is never free:
 *
 *     ranges, in order    1---1  2---2      4---4   3--3
 *     stretches           1----------1      3---3   2--2
 */
function stretchesOf(ranges: readonly Range[], sorted: readonly Range[]): Range[] {
  const places = new Map(sorted.map((range, index) => [range, index]));
  const stretches: Range[] = [];
  let place: number | undefined;
  for (const range of ranges) {
    const before = stretches.at(-1);
    const next = places.get(range);
    if (before !== undefined && place !== undefined && next === place + 1) {
      stretches[stretches.length - 1] = Range.of(before.first, range.last);
    } else {
      stretches.push(range);
    }
    place = next;
  }
  return stretches;
}

function startsSubnet(addr: Addr, bits: number): boolean {
  return bits === addr.bits || Prefix.of(addr, bits).first().compareValue(addr) === 0;
}

function endsSubnet(addr: Addr, bits: number): boolean {
  return bits === addr.bits || Prefix.of(addr, bits).last().equals(addr);
}

/** All subnets of the length that have any of the items in them. */
function wholeSubnets(
  items: Iterable<Addr | Prefix | Range>,
  family: 4 | 6,
  bits: number,
): AddrSet {
  const ranges = Array.from(AddrSet.of(items).ranges()).filter(
    ({ first }) => first.family === family,
  );
  return AddrSet.of(
    ranges.map(({ first, last }) =>
      Range.of(Prefix.of(first, bits).first(), Prefix.of(last, bits).last()),
    ),
  );
}
