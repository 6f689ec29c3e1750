import { Addr } from '../addr.ts';
import type { Range } from '../range.ts';

/** A set of addresses of one family that holds each of them. For ranges that are small. */
export class SlowSet {
  readonly family: 4 | 6;
  readonly values: ReadonlySet<bigint>;

  constructor(family: 4 | 6, values: Iterable<bigint>) {
    this.family = family;
    this.values = new Set(values);
  }

  static of(family: 4 | 6, ranges: readonly Range[]): SlowSet {
    return new SlowSet(
      family,
      ranges.flatMap(({ first, last }) =>
        Array.from(
          { length: Number(last.minus(first)) + 1 },
          (_, at) => first.toBigInt() + BigInt(at),
        ),
      ),
    );
  }

  contains(addr: Addr): boolean {
    return addr.family === this.family && this.values.has(addr.toBigInt());
  }

  union(other: SlowSet): SlowSet {
    return new SlowSet(this.family, this.values.union(other.values));
  }

  intersection(other: SlowSet): SlowSet {
    return new SlowSet(this.family, this.values.intersection(other.values));
  }

  difference(other: SlowSet): SlowSet {
    return new SlowSet(this.family, this.values.difference(other.values));
  }

  /** `first-last` of every run, in order. */
  ranges(): string[] {
    const sorted = [...this.values].sort((a, b) => (a < b ? -1 : 1));
    const runs: [bigint, bigint][] = [];
    for (const value of sorted) {
      const run = runs.at(-1);
      if (run !== undefined && run[1] + 1n === value) run[1] = value;
      else runs.push([value, value]);
    }
    return runs.map(([first, last]) => `${this.#text(first)}-${this.#text(last)}`);
  }

  /** The first aligned block of 2^hostBits addresses from `from` on that is whole in the set. */
  nextBlock(hostBits: number, from: bigint): bigint | undefined {
    const step = 1n << BigInt(hostBits);
    const starts = [...this.values].filter((value) => value % step === 0n && value >= from);
    return starts
      .sort((a, b) => (a < b ? -1 : 1))
      .find((start) =>
        Array.from({ length: Number(step) }, (_, at) => start + BigInt(at)).every((value) =>
          this.values.has(value),
        ),
      );
  }

  #text(value: bigint): string {
    return `${Addr.fromBigInt(this.family, value)}`;
  }
}
