import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { Addr } from './addr.ts';
import { AddrSyntaxError, parseAddr, tryParseAddr, tryParseAddrLenient } from './parse-addr.ts';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
/** Words that are often all zeros or all ones, where shortening and carrying happen. */
const word = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0xffff0000, 0xffffffff), uint32);
const anyAddr = fc.oneof(
  uint32.map((value) => Addr.v4(value)),
  fc.tuple(word, word, word, word).map(([a, b, c, d]) => Addr.v6(a, b, c, d)),
);

describe('parseAddr', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.1.2.3', '::ffff:10.1.2.3'],
    ['::ffff:0a01:0203', '::ffff:10.1.2.3'],
    ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['fe80::%br-lan.4', 'fe80::%br-lan.4'],
    ['::ffff:10.1.2.3%eth0', '::ffff:10.1.2.3%eth0'],
  ])('reads %s and prints %s (RFC 5952)', (text, printed) => {
    expect(parseAddr(text).toString()).toBe(printed);
  });

  it.each([
    ['', 0],
    ['10', 2],
    ['10.0.0', 6],
    ['10.0.0.', 7],
    ['10.0.0.256', 7],
    ['10.0.0.01', 7],
    ['010.0.0.1', 0],
    ['10.0.0.0.1', 8],
    ['10.0.0.1 ', 8],
    [' 10.0.0.1', 0],
    ['1.2.3.x', 6],
    [':1', 0],
    ['1:2', 3],
    [':::', 2],
    ['1::2::3', 5],
    ['12345::', 0],
    ['1:2:3:4:5:6:7:8:9', 16],
    ['1:2:3:4:5:6:7::8', 13],
    ['g::', 0],
    ['::1%', 4],
    ['fe80::%', 7],
    ['fe80::1%eth0 ', 12],
    ['fe80::1%a/64', 9],
    ['fe80::1%a%b', 9],
    ['1.2.3.4%eth0', 7],
    ['1:2:3:4:5:6:7:8::', 15],
    ['::1.2.3.4.5', 9],
    ['::1.2.3', 7],
    ['1:2:3:4:5:6:7:1.2.3.4', 14],
  ])('refuses %j and points at %i', (text, position) => {
    try {
      parseAddr(text);
      expect.unreachable(`${text} was taken`);
    } catch (error) {
      expect(error).toBeInstanceOf(AddrSyntaxError);
      expect(error).toMatchObject({ input: text, position });
    }
  });

  it('says what it expected', () => {
    expect(() => parseAddr('10.0.0.256')).toThrow(
      'invalid IP address "10.0.0.256": at 7: expected a number from 0 to 255, got "256"',
    );
  });

  it('reads leading zeros as decimal where it is asked to be lenient, and nothing else more', () => {
    expect(tryParseAddrLenient('010.000.00.0001')?.toString()).toBe('10.0.0.1');
    expect(tryParseAddrLenient('::ffff:010.1.2.03')?.toString()).toBe('::ffff:10.1.2.3');
    expect(tryParseAddrLenient('10.0.0.1')?.toString()).toBe('10.0.0.1');
    for (const text of ['10.0.0.0256', '10.1', '10.0.0.1 ', '00001::', '0x0a.0.0.1']) {
      expect(tryParseAddrLenient(text)).toBeUndefined();
    }
    expect(tryParseAddr('010.0.0.1')).toBeUndefined();
  });

  it('agrees with the platform on what is an address', () => {
    const text = fc.oneof(
      anyAddr.map(String),
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789af:.')), maxLength: 20 }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const family = tryParseAddr(candidate)?.family;
        expect(family).toBe(isIPv4(candidate) ? 4 : isIPv6(candidate) ? 6 : undefined);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Addr', () => {
  it('survives printing, bytes and a step forth and back', () => {
    fc.assert(
      fc.property(anyAddr, (addr) => {
        expect(parseAddr(addr.toString()).equals(addr)).toBe(true);
        expect(Addr.fromBytes(addr.toBytes()).equals(addr)).toBe(true);
        expect(addr.next()?.prev()?.equals(addr) ?? true).toBe(true);
        expect(addr.prev()?.next()?.equals(addr) ?? true).toBe(true);
      }),
    );
  });

  it('prints as ipaddr.js does, but for IPv4-mapped addresses, which that prints in hex', () => {
    fc.assert(
      fc.property(anyAddr, (addr) => {
        fc.pre(addr.unmap() === addr);
        expect(addr.toString()).toBe(ipaddr.fromByteArray([...addr.toBytes()]).toString());
      }),
    );
  });

  it('has a total order that agrees with equality', () => {
    fc.assert(
      fc.property(anyAddr, anyAddr, (a, b) => {
        expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
        expect(a.compare(b) === 0).toBe(a.equals(b));
        expect(a.key === b.key).toBe(a.equals(b));
        const next = a.next();
        if (next !== undefined) expect(a.compare(next)).toBeLessThan(0);
      }),
    );
  });

  it('moves by any distance, and not beyond its family', () => {
    const addr = parseAddr('fe80::ffff:ffff%eth0');
    expect(addr.plus(1)?.toString()).toBe('fe80::1:0:0%eth0');
    expect(addr.plus(-(2n ** 32n))).toEqual(
      parseAddr('fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff%eth0'),
    );
    expect(parseAddr('255.255.255.255').plus(1)).toBeUndefined();
    expect(parseAddr('::').plus(-1)).toBeUndefined();
    expect(parseAddr('10.0.1.0').minus(parseAddr('10.0.0.0'))).toBe(256n);
    expect(() => parseAddr('10.0.1.0').minus(parseAddr('::'))).toThrow('no distance');
    expect(Addr.fromBigInt(4, 2n ** 32n)).toBeUndefined();
  });

  it('unwraps IPv4-mapped addresses only', () => {
    expect(parseAddr('::ffff:10.0.0.1').unmap().toString()).toBe('10.0.0.1');
    expect(parseAddr('::10.0.0.1').unmap().family).toBe(6);
  });

  it('refuses other lengths than 4 and 16', () => {
    expect(() => Addr.fromBytes(new Uint8Array(5))).toThrow('4 or 16 octets, got 5');
  });
});
