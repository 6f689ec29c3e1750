import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { Addr } from './addr.ts';
import { parseAddr } from './parse-addr.ts';
import { Prefix, parsePrefix, tryParsePrefix } from './prefix.ts';
import { Range } from './range.ts';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const v4 = uint32.map((value) => Addr.v4(value));
const v6 = fc.tuple(uint32, uint32, uint32, uint32).map(([a, b, c, d]) => Addr.v6(a, b, c, d));
const anyPrefix = fc
  .oneof(
    fc.tuple(v4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(v6, fc.integer({ min: 0, max: 128 })),
  )
  .map(([addr, bits]) => Prefix.of(addr, bits));

describe('Prefix', () => {
  it('keeps host bits and masks on demand', () => {
    const prefix = parsePrefix('10.1.2.3/24');
    expect(prefix.toString()).toBe('10.1.2.3/24');
    expect(prefix.masked().toString()).toBe('10.1.2.0/24');
    expect(prefix.last().toString()).toBe('10.1.2.255');
  });

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '::/129',
    'fe80::%eth0/64',
    '/8',
  ])('refuses %s', (text) => {
    expect(tryParsePrefix(text)).toBeUndefined();
  });

  it('contains exactly the addresses from first to last', () => {
    fc.assert(
      fc.property(anyPrefix, fc.oneof(v4, v6), (prefix, addr) => {
        const range = Range.of(prefix.first(), prefix.last());
        expect(prefix.contains(addr)).toBe(range.contains(addr));
        expect(prefix.contains(prefix.first()) && prefix.contains(prefix.last())).toBe(true);
        const after = prefix.last().next();
        if (after !== undefined) expect(prefix.contains(after)).toBe(false);
        const before = prefix.first().prev();
        if (before !== undefined) expect(prefix.contains(before)).toBe(false);
      }),
    );
  });

  it('agrees with ipaddr.js on containing', () => {
    fc.assert(
      fc.property(fc.tuple(v4, v4, fc.integer({ min: 0, max: 32 })), ([a, b, bits]) => {
        const theirs = ipaddr.IPv4.parse(b.toString()).match(ipaddr.IPv4.parse(a.toString()), bits);
        expect(Prefix.of(a, bits).contains(b)).toBe(theirs);
      }),
    );
  });

  it('overlaps exactly as the ranges do', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        const ranges = [a, b].map((prefix) => Range.of(prefix.first(), prefix.last())) as [
          Range,
          Range,
        ];
        expect(a.overlaps(b)).toBe(ranges[0].overlaps(ranges[1]));
        expect(a.overlaps(b)).toBe(b.overlaps(a));
        expect(a.equals(b)).toBe(a.toString() === b.toString());
      }),
    );
  });

  it('refuses a length the family does not have', () => {
    expect(() => Prefix.of(parseAddr('10.0.0.1'), 33)).toThrow('must be from 0 to 32, got 33');
  });
});

describe('Range', () => {
  it('refuses ends in the wrong order or of two families', () => {
    const [low, high] = [parseAddr('10.0.0.1'), parseAddr('10.0.0.2')];
    expect(Range.of(low, high).toString()).toBe('10.0.0.1-10.0.0.2');
    expect(() => Range.of(high, low)).toThrow(RangeError);
    expect(() => Range.of(low, parseAddr('::1'))).toThrow(RangeError);
  });
});
