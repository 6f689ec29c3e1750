import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { parseAddr } from '../parse-addr.ts';
import { parsePrefix } from '../prefix.ts';
import { parseRange, Range } from '../range.ts';
import { SlowPool } from '../reference/pool.ts';
import { AddrSet } from '../set/addr-set.ts';
import { Pool } from './pool.ts';

/* Random calls on a fast and on a slow pool, in a small window where every address counts. */

/** Two million calls, on a machine that may be busy. */
const MILLION_TIMEOUT_MS = 120_000;
const WINDOW = 48;
const BASES = [
  '0.0.0.0',
  '10.0.0.240',
  '255.255.255.208',
  '::',
  'fd00::ffff:fff0',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffd0',
];

const offset = fc.nat({ max: WINDOW - 1 });
const worlds = fc.record({
  base: fc.constantFrom(...BASES),
  /** Where one range ends and another begins; ranges at odd places are left out. */
  cuts: fc.uniqueArray(offset, { minLength: 1, maxLength: 6 }),
  order: fc.infiniteStream(fc.nat()),
  exclude: fc.array(offset, { maxLength: 4 }),
});
const call = fc.oneof(
  fc.record({ verb: fc.constantFrom('allocate', 'reserve', 'release'), at: offset }),
  fc.record({ verb: fc.constantFrom('next', 'lowest'), at: fc.constant(0) }),
  fc.record({ verb: fc.constant('nextAfter'), at: offset }),
);

function shift(base: Addr, by: number): Addr {
  const addr = base.plus(by);
  if (addr === undefined) throw new Error(`nothing ${by} after ${base}`);
  return addr;
}

function rangesOf(base: Addr, cuts: readonly number[], order: Iterator<number>): Range[] {
  const sorted = [0, ...cuts.toSorted((a, b) => a - b), WINDOW];
  return sorted
    .slice(0, -1)
    .map((from, index) => [from, (sorted[index + 1] ?? WINDOW) - 1] as const)
    .filter(([from, to], index) => index % 2 === 0 && from <= to)
    .map(([from, to]) => ({
      range: Range.of(shift(base, from), shift(base, to)),
      key: order.next().value as number,
    }))
    .sort((a, b) => a.key - b.key)
    .map(({ range }) => range);
}

const byAddr = (a: string, b: string): number => parseAddr(a).compare(parseAddr(b));

describe('Pool agrees with the slow one', () => {
  it('on any calls, on what is held, and after a restart', () => {
    fc.assert(
      fc.property(worlds, fc.array(call, { maxLength: 120 }), (world, calls) => {
        const base = parseAddr(world.base);
        const ranges = rangesOf(base, world.cuts, world.order[Symbol.iterator]());
        fc.pre(ranges.length > 0);
        const exclude = world.exclude.map((by) => shift(base, by));
        const options = { ranges, exclude };
        let fast = Pool.of(options);
        const slow = new SlowPool(ranges, exclude);
        for (const [index, { verb, at }] of calls.entries()) {
          const addr = shift(base, at);
          const text = `${addr}`;
          if (verb === 'allocate') expect(fast.allocate(addr)).toBe(slow.allocate(text));
          if (verb === 'reserve') expect(fast.reserve(addr)).toBe(slow.reserve(text));
          if (verb === 'release') expect(fast.release(addr)).toBe(slow.release(text));
          if (verb === 'next') expect(fast.allocateNext()?.toString()).toBe(slow.allocateNext());
          if (verb === 'nextAfter') {
            expect(fast.allocateNext(addr)?.toString()).toBe(slow.allocateNext(text));
          }
          if (verb === 'lowest') {
            expect(fast.allocateLowest()?.toString()).toBe(slow.allocateLowest(byAddr));
          }
          expect(fast.isFree(addr)).toBe(slow.gives(text) && !slow.held.has(text));
          if (index % 20 === 19) fast = Pool.restore(options, fast.snapshot());
        }
        expect(fast.heldCount).toBe(slow.held.size);
        const held = AddrSet.of(fast.snapshot().held.map(parseRange));
        expect(held.equals(AddrSet.of(Array.from(slow.held, parseAddr)))).toBe(true);
        expect(fast.last?.toString()).toBe(slow.last);
        expect(fast.freeCount + BigInt(fast.heldCount)).toBe(fast.size);
      }),
      { numRuns: 500 },
    );
  });
});

describe('Pool', () => {
  const range = parseRange;

  it('gives in the order of host-local, round the ranges as they stand', () => {
    const pool = Pool.of({
      ranges: ['10.2.0.1-10.2.0.2', '10.1.0.1-10.1.0.2', '10.3.0.1-10.3.0.2'].map(range),
      exclude: [parseAddr('10.1.0.1')],
    });
    const given = Array.from({ length: 5 }, () => `${pool.allocateNext()}`);
    expect(given).toEqual(['10.2.0.1', '10.2.0.2', '10.1.0.2', '10.3.0.1', '10.3.0.2']);
    expect(pool.allocateNext()).toBeUndefined();
    pool.release(parseAddr('10.3.0.2'));
    pool.release(parseAddr('10.2.0.2'));
    expect(`${pool.allocateNext()}`).toBe('10.2.0.2');
    expect(`${pool.allocateNext()}`).toBe('10.3.0.2');
  });

  it('never gives what is excluded, and takes back only what it gave', () => {
    const pool = Pool.of({
      ranges: [range('10.0.0.0-10.0.0.7')],
      exclude: [parseAddr('10.0.0.1'), parsePrefix('10.0.0.4/30'), parseAddr('fd00::1')],
    });
    expect(pool.size).toBe(3n);
    expect(pool.allocate(parseAddr('10.0.0.1'))).toBe(false);
    expect(pool.release(parseAddr('10.0.0.1'))).toBe(false);
    expect(pool.allocate(parseAddr('10.0.0.5'))).toBe(false);
    expect(pool.release(parseAddr('10.0.0.2'))).toBe(false);
    expect(pool.allocate(parseAddr('10.0.0.2'))).toBe(true);
    expect(pool.allocate(parseAddr('10.0.0.2'))).toBe(false);
    expect(pool.allocate(parseAddr('10.0.1.2'))).toBe(false);
    expect(pool.allocate(parseAddr('::10.0.0.3'))).toBe(false);
    expect(pool.release(parseAddr('10.0.0.2'))).toBe(true);
    expect(pool.release(parseAddr('10.0.0.2'))).toBe(false);
    expect(pool.heldCount).toBe(0);
  });

  it(
    'holds a million leases of a /8 with a gap after each, and joins all gaps again',
    () => {
      const pool = Pool.of({ ranges: [range('10.0.0.0-10.255.255.255')] });
      const count = 1 << 20;
      // An odd step goes through all even places, so that they are taken in no order.
      const place = (at: number): Addr => Addr.v4(0x0a000000 + ((at * 0x9e3b) % count) * 2);
      const each = (call: (addr: Addr) => boolean): number => {
        let done = 0;
        for (let at = 0; at < count; at += 1) done += Number(call(place(at)));
        return done;
      };
      expect(each((addr) => pool.reserve(addr))).toBe(count);
      expect(pool.heldCount).toBe(count);
      expect(pool.runCount).toBe(count);
      expect(pool.reserve(place(5))).toBe(false);
      expect(`${pool.allocateLowest()}`).toBe('10.0.0.1');
      expect(`${pool.allocateNext(parseAddr('10.0.0.1'))}`).toBe('10.0.0.3');
      expect(`${pool.allocateNext(parseAddr('10.31.255.253'))}`).toBe('10.31.255.255');
      for (const text of ['10.0.0.1', '10.0.0.3', '10.31.255.255']) pool.release(parseAddr(text));
      expect(each((addr) => pool.release(addr))).toBe(count);
      expect(pool.runCount).toBe(1);
      expect(pool.snapshot().held).toEqual([]);
    },
    MILLION_TIMEOUT_MS,
  );

  it('gives addresses of an IPv6 /64 as of anything smaller', () => {
    const pool = Pool.of({
      ranges: [Range.ofPrefix(parsePrefix('fd00:10:244::/64'))],
      exclude: [parseAddr('fd00:10:244::'), parseAddr('fd00:10:244::1')],
    });
    expect(pool.size).toBe(2n ** 64n - 2n);
    for (let at = 0; at < 100_000; at += 1) pool.allocateNext();
    expect(`${pool.last}`).toBe('fd00:10:244::1:86a1');
    expect(pool.runCount).toBe(1);
    expect(pool.snapshot()).toEqual({
      held: ['fd00:10:244::2-fd00:10:244::1:86a1'],
      last: 'fd00:10:244::1:86a1',
    });
    expect(pool.allocate(parseAddr('fd00:10:244::ffff:ffff:ffff:ffff'))).toBe(true);
    expect(`${pool.allocateNext()}`).toBe('fd00:10:244::1:86a2');
  });

  it.each([
    [[], 'a pool needs a range'],
    [['10.0.0.0-10.0.0.9', '10.0.0.9-10.0.0.10'], 'overlap'],
    [['10.0.0.0-10.0.0.9', '::-::1'], 'one family'],
  ])('refuses the ranges %j', (ranges, message) => {
    expect(() => Pool.of({ ranges: ranges.map(range) })).toThrow(message);
  });

  it.each([
    [['10.0.0.6-10.0.0.9'], 'is not of the pool'],
    [['10.0.0.1-10.0.0.2', '10.0.0.2-10.0.0.3'], 'held twice'],
    [['10.0.0.1'], 'expected "-"'],
  ])('refuses to restore %j', (held, message) => {
    expect(() => Pool.restore({ ranges: [range('10.0.0.0-10.0.0.7')] }, { held })).toThrow(message);
  });
});
