import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from './addr.ts';
import { parseAddr } from './parse-addr.ts';
import { Prefix, parsePrefix } from './prefix.ts';
import { parseRange, Range } from './range.ts';
import {
  netmask,
  nth,
  nthSubnet,
  parent,
  roleIn,
  sibling,
  split,
  usable,
  wildcard,
} from './subnet.ts';
import { summarize } from './summarize.ts';

const word = fc.integer({ min: 0, max: 0xffffffff });
const anyPrefix = fc.oneof(
  fc.tuple(word, fc.integer({ min: 0, max: 32 })).map(([a, bits]) => Prefix.of(Addr.v4(a), bits)),
  fc
    .tuple(word, word, word, word, fc.integer({ min: 0, max: 128 }))
    .map(([a, b, c, d, bits]) => Prefix.of(Addr.v6(a, b, c, d), bits)),
);

describe('a subnet', () => {
  it.each([
    ['10.1.2.3/24', '10.1.2.1-10.1.2.254', '255.255.255.0', '0.0.0.255'],
    ['10.1.2.3/30', '10.1.2.1-10.1.2.2', '255.255.255.252', '0.0.0.3'],
    // RFC 3021: both ends of a point-to-point link.
    ['10.1.2.3/31', '10.1.2.2-10.1.2.3', '255.255.255.254', '0.0.0.1'],
    ['10.1.2.3/32', '10.1.2.3-10.1.2.3', '255.255.255.255', '0.0.0.0'],
    ['10.1.2.3/0', '0.0.0.1-255.255.255.254', '0.0.0.0', '255.255.255.255'],
    // RFC 4291 2.6.1: the first is the Subnet-Router anycast address; there is no broadcast.
    [
      'fd00::5/64',
      'fd00::1-fd00::ffff:ffff:ffff:ffff',
      'ffff:ffff:ffff:ffff::',
      '::ffff:ffff:ffff:ffff',
    ],
    // RFC 6164.
    ['fd00::5/127', 'fd00::4-fd00::5', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe', '::1'],
    ['fd00::5/128', 'fd00::5-fd00::5', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::'],
  ])('%s has usable %s, mask %s, wildcard %s', (text, range, mask, wild) => {
    const prefix = parsePrefix(text);
    expect(`${usable(prefix)}`).toBe(range);
    expect(`${netmask(prefix)}`).toBe(mask);
    expect(`${wildcard(prefix)}`).toBe(wild);
  });

  it.each([
    ['10.1.2.0/24', '10.1.2.0', 'network'],
    ['10.1.2.0/24', '10.1.2.255', 'broadcast'],
    ['10.1.2.0/24', '10.1.2.7', 'host'],
    ['10.1.2.0/31', '10.1.2.0', 'host'],
    ['10.1.2.0/24', '10.1.3.0', undefined],
    ['fd00::/64', 'fd00::', 'subnet-router-anycast'],
    ['fd00::/64', 'fd00::ffff:ffff:ffff:ffff', 'host'],
    ['fe80::/64', 'fe80::1%eth0', 'host'],
    ['fe80::/64', 'fe80::%eth0', 'subnet-router-anycast'],
  ])('%s has %s as its %s', (prefix, addr, role) => {
    expect(roleIn(parsePrefix(prefix), parseAddr(addr))).toBe(role);
  });

  it('counts its addresses from either end', () => {
    const prefix = parsePrefix('10.1.2.0/24');
    expect(`${nth(prefix, 0)} ${nth(prefix, 10)} ${nth(prefix, -1)}`).toBe(
      '10.1.2.0 10.1.2.10 10.1.2.255',
    );
    expect(nth(prefix, 256)).toBeUndefined();
    expect(nth(prefix, -257)).toBeUndefined();
    expect(`${nth(parsePrefix('fd00::/64'), 2n ** 64n - 1n)}`).toBe('fd00::ffff:ffff:ffff:ffff');
  });

  it('splits into all of its parts, in order', () => {
    expect(Array.from(split(parsePrefix('10.1.2.3/24'), 26), String)).toEqual([
      '10.1.2.0/26',
      '10.1.2.64/26',
      '10.1.2.128/26',
      '10.1.2.192/26',
    ]);
    expect(Array.from(split(parsePrefix('255.255.255.254/31'), 32), String)).toEqual([
      '255.255.255.254/32',
      '255.255.255.255/32',
    ]);
    expect(split(parsePrefix('::/0'), 128).next().value?.toString()).toBe('::/128');
    expect(() => [...split(parsePrefix('10.0.0.0/24'), 23)]).toThrow('from 24 to 32');
    expect(() => [...split(parsePrefix('10.0.0.0/24'), 33)]).toThrow('from 24 to 32');
  });

  it('knows its nth part, its parent and its sibling', () => {
    const prefix = parsePrefix('10.244.0.0/16');
    expect(`${nthSubnet(prefix, 24, 255)}`).toBe('10.244.255.0/24');
    expect(nthSubnet(prefix, 24, 256)).toBeUndefined();
    expect(nthSubnet(prefix, 24, -1)).toBeUndefined();
    expect(`${parent(parsePrefix('10.1.2.3/24'))}`).toBe('10.1.2.0/23');
    expect(`${parent(parsePrefix('10.1.2.3/24'), 8)}`).toBe('10.0.0.0/8');
    expect(parent(parsePrefix('::/0'))).toBeUndefined();
    expect(sibling(parsePrefix('::/0'))).toBeUndefined();
    expect(`${sibling(parsePrefix('10.1.2.0/24'))}`).toBe('10.1.3.0/24');
    expect(`${sibling(parsePrefix('10.1.3.0/24'))}`).toBe('10.1.2.0/24');
  });

  it('makes its parent with its sibling, and nothing else', () => {
    fc.assert(
      fc.property(anyPrefix, (prefix) => {
        const [above, other] = [parent(prefix), sibling(prefix)];
        expect(above === undefined).toBe(prefix.bits === 0);
        expect(other === undefined).toBe(prefix.bits === 0);
        if (above === undefined || other === undefined) return;
        expect(Array.from(split(above, prefix.bits), String).sort()).toEqual(
          [`${prefix.masked()}`, `${other}`].sort(),
        );
        expect(`${sibling(other)}`).toBe(`${prefix.masked()}`);
      }),
    );
  });
});

describe('summarize', () => {
  it.each([
    ['10.0.0.0-10.0.0.255', ['10.0.0.0/24']],
    ['10.0.0.1-10.0.0.6', ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']],
    ['0.0.0.0-255.255.255.255', ['0.0.0.0/0']],
    ['255.255.255.255-255.255.255.255', ['255.255.255.255/32']],
    ['::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', ['::/0']],
    ['::1-::2', ['::1/128', '::2/128']],
  ])('%s is %j', (text, prefixes) => {
    expect(Array.from(summarize(parseRange(text)), String)).toEqual(prefixes);
  });

  it('gives what joins to the range again, in at most two prefixes for each bit', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        fc.pre(a.addr.family === b.addr.family);
        const [low, high] = a.addr.compare(b.addr) <= 0 ? [a.addr, b.addr] : [b.addr, a.addr];
        const prefixes = [...summarize(Range.of(low, high))];
        expect(prefixes.length).toBeLessThanOrEqual(2 * low.bits);
        let next: Addr | undefined = low;
        for (const prefix of prefixes) {
          expect(prefix.first().equals(next ?? high)).toBe(true);
          next = prefix.last().next();
        }
        expect(prefixes.at(-1)?.last().equals(high)).toBe(true);
      }),
    );
  });
});
