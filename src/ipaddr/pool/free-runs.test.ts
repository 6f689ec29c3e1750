import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { SlowSet } from '../reference/set.ts';
import { FreeRuns } from './free-runs.ts';

/* The tree against a set of its addresses, with enough runs for it to be several levels high. */

const PLACES = 20_000;

function agree(
  family: 4 | 6,
  base: bigint,
  steps: Iterable<readonly [number, number, boolean]>,
): void {
  const at = (place: number): Addr => Addr.fromBigInt(family, base + BigInt(place)) ?? Addr.v4(0);
  const runs = new FreeRuns(family);
  const free = new Uint8Array(PLACES);
  for (const [from, length, gives] of steps) {
    const to = Math.min(from + length, PLACES) - 1;
    const isAll = (value: number): boolean =>
      free.subarray(from, to + 1).every((each) => each === value);
    if (gives) expect(runs.give(at(from), at(to))).toBe(isAll(0));
    else expect(runs.take(at(from), at(to))).toBe(isAll(1));
    if (isAll(gives ? 0 : 1)) free.fill(gives ? 1 : 0, from, to + 1);
    const next = free.indexOf(1, to);
    expect(runs.firstFrom(at(to))?.toBigInt()).toBe(next < 0 ? undefined : base + BigInt(next));
    expect(runs.has(at(to))).toBe(free[to] === 1);
  }
  const values = Array.from(free.keys()).filter((place) => free[place] === 1);
  const slow = new SlowSet(
    family,
    values.map((place) => base + BigInt(place)),
  );
  const texts = Array.from(runs.ranges(), String);
  expect(texts).toEqual(slow.ranges());
  expect(runs.count).toBe(texts.length);
}

describe('FreeRuns', () => {
  it.each([
    [4, 0n],
    [4, 2n ** 31n - 10_000n],
    [6, 2n ** 64n - 10_000n],
    [6, 2n ** 128n - BigInt(PLACES)],
  ] as const)(
    'agrees with a set in a family of %i at %d, cut to pieces and joined again',
    (family, base) => {
      const step = fc.tuple(
        fc.nat({ max: PLACES - 1 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
      );
      // All even places first, in a shuffled order: thousands of runs, then random changes to them.
      const even = Array.from(
        { length: PLACES / 2 },
        (_, at) => [((at * 7919) % (PLACES / 2)) * 2, 1, true] as const,
      );
      const back = even.map(([from]) => [(from * 3) % PLACES, 1, false] as const);
      fc.assert(
        fc.property(fc.array(step, { minLength: 200, maxLength: 2000 }), (steps) => {
          agree(family, base, [...even, ...steps, ...back]);
        }),
        // A failure names its step; to look for fewer steps would take minutes.
        { numRuns: 2, endOnFailure: true },
      );
    },
  );

  it('agrees with a set on few runs', () => {
    const step = fc.tuple(fc.nat({ max: 30 }), fc.integer({ min: 1, max: 9 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => agree(4, 0n, steps)),
      { numRuns: 200 },
    );
  });
});
