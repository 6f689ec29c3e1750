import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { Addr } from './addr.ts';
import { parseAddr } from './parse-addr.ts';
import { Prefix, parsePrefix, tryParsePrefix } from './prefix.ts';
import { parseRange, Range } from './range.ts';

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

  it('has an order and keys that agree with equality', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
        expect(a.compare(b) === 0).toBe(a.equals(b));
        expect(a.key === b.key).toBe(a.equals(b));
      }),
    );
    // Groups that read as the digits of an IPv4 key.
    const [v4Key, v6] = [
      Prefix.of(Addr.v4(12_345_678), 32).key,
      Addr.v6(0x310032, 0x330034, 0x350036, 0x370038),
    ];
    expect(v4Key).not.toBe(Prefix.of(v6, 32).key);
  });

  it('covers the prefixes that are whole in it', () => {
    const prefix = parsePrefix('10.1.0.0/16');
    expect(prefix.covers(parsePrefix('10.1.2.0/24'))).toBe(true);
    expect(prefix.covers(prefix)).toBe(true);
    expect(prefix.covers(parsePrefix('10.0.0.0/8'))).toBe(false);
    expect(prefix.covers(parsePrefix('10.2.0.0/24'))).toBe(false);
    expect(prefix.size).toBe(65_536n);
  });

  it('tells what it expected, and where', () => {
    expect(() => parsePrefix('10.0.0.0/33')).toThrow(
      'invalid IP prefix "10.0.0.0/33": at 9: expected a prefix length from 0 to 32, got "33"',
    );
    expect(() => parsePrefix('10.0.0.0')).toThrow('at 8: expected "/" and a prefix length');
    expect(() => parsePrefix('fe80::%eth0')).toThrow('expected "/" and a prefix length');
    expect(() => parsePrefix('10.0.0/8')).toThrow('at 6: expected four octets');
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

  it('contains an address in whatever zone, as a prefix does', () => {
    const [range, prefix] = [parseRange('fe80::1-fe80::2'), parsePrefix('fe80::/64')];
    for (const addr of ['fe80::1%eth0', 'fe80::2%eth0', 'fe80::2'].map(parseAddr)) {
      expect(range.contains(addr)).toBe(true);
      expect(prefix.contains(addr)).toBe(true);
    }
    expect(range.contains(parseAddr('fe80::3%eth0'))).toBe(false);
  });

  it('covers, overlaps and sorts', () => {
    const [wide, narrow, beside] = ['10.0.0.0-10.0.0.9', '10.0.0.2-10.0.0.3', '10.0.0.9-10.0.0.10'];
    const range = parseRange(wide);
    expect(range.size).toBe(10n);
    expect(range.covers(parseRange(narrow))).toBe(true);
    expect(range.covers(parseRange(beside))).toBe(false);
    expect(range.overlaps(parseRange(beside))).toBe(true);
    expect(parseRange(narrow).overlaps(parseRange(beside))).toBe(false);
    expect(
      [beside, narrow, wide]
        .map(parseRange)
        .sort((a, b) => a.compare(b))
        .join(),
    ).toBe([wide, narrow, beside].join());
    expect(range.equals(Range.ofPrefix(parsePrefix('10.0.0.0/8')))).toBe(false);
  });

  it.each([
    ['10.0.0.1', 'at 8: expected "-" and the last address'],
    ['10.0.0.1-10.0.0.300', 'at 16: expected a number from 0 to 255'],
    ['10.0.0-10.0.0.3', 'at 6: expected four octets'],
    ['10.0.0.2-10.0.0.1', 'at 9: expected an IPv4 address from 10.0.0.2 on'],
    ['10.0.0.2-::1', 'at 9: expected an IPv4 address from 10.0.0.2 on'],
    ['fe80::1%a-fe80::2', 'at 7: expected no zone'],
  ])('refuses %s: %s', (text, message) => {
    expect(() => parseRange(text)).toThrow(message);
  });
});
