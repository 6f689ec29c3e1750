import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { parseAddr } from '../parse-addr.ts';
import { parsePrefix } from '../prefix.ts';
import { parseRange, Range } from '../range.ts';
import { SlowSet } from '../reference/set.ts';
import { AddrSet } from './addr-set.ts';

/* Sets of both families in a small window, where every address can be looked at. */

const WINDOW = 64;
/** Windows at the first and the last addresses of a family, and across a border of words. */
const BASES = [
  [4, 0n],
  [4, 0x7fffffffn - 30n],
  [4, 2n ** 32n - BigInt(WINDOW)],
  [6, 0n],
  [6, 2n ** 32n - 32n],
  [6, 2n ** 64n - 32n],
  [6, 2n ** 96n - 32n],
  [6, 2n ** 128n - BigInt(WINDOW)],
] as const;

const at = (family: 4 | 6, value: bigint): Addr => {
  const addr = Addr.fromBigInt(family, value);
  if (addr === undefined) throw new Error(`${value} is beyond the family`);
  return addr;
};
const spans = fc.array(fc.tuple(fc.nat({ max: WINDOW - 1 }), fc.nat({ max: WINDOW - 1 })), {
  maxLength: 8,
});
const worlds = fc.tuple(fc.constantFrom(...BASES), spans, spans);

function build(family: 4 | 6, base: bigint, pairs: readonly (readonly [number, number])[]) {
  const ranges = pairs.map(([a, b]) =>
    Range.of(at(family, base + BigInt(Math.min(a, b))), at(family, base + BigInt(Math.max(a, b)))),
  );
  return [AddrSet.of(ranges), SlowSet.of(family, ranges)] as const;
}
const texts = (set: AddrSet): string[] => Array.from(set.ranges(), String);

describe('AddrSet agrees with the slow one', () => {
  it('on what is in it, and on union, intersection and difference', () => {
    fc.assert(
      fc.property(worlds, ([[family, base], first, second]) => {
        const [a, slowA] = build(family, base, first);
        const [b, slowB] = build(family, base, second);
        expect(texts(a)).toEqual(slowA.ranges());
        expect(texts(a.union(b))).toEqual(slowA.union(slowB).ranges());
        expect(texts(a.intersection(b))).toEqual(slowA.intersection(slowB).ranges());
        expect(texts(a.difference(b))).toEqual(slowA.difference(slowB).ranges());
        expect(a.size).toBe(BigInt(slowA.values.size));
        expect(a.isEmpty).toBe(slowA.values.size === 0);
        expect(a.equals(b)).toBe(slowA.ranges().join() === slowB.ranges().join());
        for (let offset = 0n; offset < WINDOW; offset += 1n) {
          const addr = at(family, base + offset);
          expect(a.contains(addr)).toBe(slowA.contains(addr));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('on whole ranges in it, and on its prefixes', () => {
    fc.assert(
      fc.property(worlds, ([[family, base], first, second]) => {
        const [a, slow] = build(family, base, first);
        for (const [from, to] of second) {
          const span = Range.of(
            at(family, base + BigInt(Math.min(from, to))),
            at(family, base + BigInt(Math.max(from, to))),
          );
          const isWhole = SlowSet.of(family, [span]).difference(slow).values.size === 0;
          expect(a.covers(span)).toBe(isWhole);
        }
        const prefixes = [...a.prefixes()];
        expect(texts(AddrSet.of(prefixes))).toEqual(texts(a));
        // As few as can be: no two of them are the halves of one.
        prefixes.forEach((prefix, index) => {
          const next = prefixes[index + 1];
          if (next === undefined || next.bits !== prefix.bits || prefix.bits === 0) return;
          const parent = parsePrefix(`${prefix.addr}/${prefix.bits - 1}`).masked();
          expect(parent.covers(next) && parent.covers(prefix)).toBe(false);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('on the next free subnet', () => {
    fc.assert(
      fc.property(
        worlds,
        fc.nat({ max: 5 }),
        fc.nat({ max: WINDOW - 1 }),
        ([[family, base], first], hostBits, offset) => {
          const [a, slow] = build(family, base, first);
          const bits = (family === 4 ? 32 : 128) - hostBits;
          const from = base + BigInt(offset);
          const expected = slow.nextBlock(hostBits, from);
          const seen = a.nextSubnet(family, bits, at(family, from));
          expect(seen?.addr.toBigInt()).toBe(expected);
          const lowest = a.nextSubnet(family, bits);
          expect(lowest?.addr.toBigInt()).toBe(slow.nextBlock(hostBits, 0n));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('AddrSet', () => {
  it('holds both families', () => {
    const set = AddrSet.of([
      parseAddr('::1'),
      parsePrefix('10.0.0.7/30'),
      parseRange('10.0.0.8-10.0.0.9'),
    ]);
    expect(texts(set)).toEqual(['10.0.0.4-10.0.0.9', '::1-::1']);
    expect(Array.from(set.prefixes(), String)).toEqual(['10.0.0.4/30', '10.0.0.8/31', '::1/128']);
    expect(set.size).toBe(7n);
    // The same words, of the other family.
    expect(set.contains(parseAddr('::10.0.0.4'))).toBe(false);
    expect(set.contains(parseAddr('0.0.0.1'))).toBe(false);
  });

  it('can be everything', () => {
    const all = AddrSet.of([parsePrefix('0.0.0.0/0'), parsePrefix('::/0')]);
    expect(all.size).toBe(2n ** 32n + 2n ** 128n);
    expect(Array.from(all.prefixes(), String)).toEqual(['0.0.0.0/0', '::/0']);
    expect(AddrSet.EMPTY.isEmpty).toBe(true);
    expect(all.difference(all).isEmpty).toBe(true);
    expect(all.nextSubnet(6, 0)?.toString()).toBe('::/0');
    expect(all.nextSubnet(6, 0, parseAddr('::1'))).toBeUndefined();
  });

  it('cuts a million addresses out of a /8 by intervals', () => {
    const odd = Array.from({ length: 1 << 20 }, (_, at) => Addr.v4(0x0a000000 + at * 2 + 1));
    const rest = AddrSet.of([parsePrefix('10.0.0.0/8')]).difference(AddrSet.of(odd));
    expect(rest.size).toBe(2n ** 24n - 2n ** 20n);
    expect(rest.contains(parseAddr('10.0.0.1'))).toBe(false);
    expect(rest.contains(parseAddr('10.0.0.2'))).toBe(true);
    expect(rest.nextSubnet(4, 24)?.toString()).toBe('10.32.0.0/24');
    expect(rest.union(AddrSet.of(odd)).equals(AddrSet.of([parsePrefix('10.0.0.0/8')]))).toBe(true);
  });
});
