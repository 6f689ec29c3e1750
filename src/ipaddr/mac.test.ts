import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mac, parseMac, tryParseMac } from './mac.ts';

const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => Mac.fromBytes(bytes));

describe('Mac', () => {
  it('survives printing and bytes', () => {
    const mac = tryParseMac('0A:58:0a:f4:00:02');
    expect(mac?.toString()).toBe('0a:58:0a:f4:00:02');
    expect(mac !== undefined && Mac.fromBytes(mac.toBytes()).equals(mac)).toBe(true);
    expect(tryParseMac('0a:58:0a:f4:00')).toBeUndefined();
    expect(() => Mac.fromBytes(new Uint8Array(5))).toThrow('6 octets, got 5');
  });

  it('survives printing, has an order, and keys that agree with equality', () => {
    fc.assert(
      fc.property(anyMac, anyMac, (a, b) => {
        expect(parseMac(a.toString()).equals(a)).toBe(true);
        expect(Mac.fromBytes(a.toBytes()).key).toBe(a.key);
        expect(a.equals(b)).toBe(a.toString() === b.toString());
        expect(Math.sign(a.compare(b))).toBe(
          a.toString() < b.toString() ? -1 : a.equals(b) ? 0 : 1,
        );
      }),
    );
  });

  it('tells groups and local addresses by their bits', () => {
    expect(parseMac('01:00:5e:00:00:01')).toMatchObject({ isMulticast: true, isLocal: false });
    expect(parseMac('0a:58:0a:f4:00:02')).toMatchObject({ isMulticast: false, isLocal: true });
  });

  it.each([
    ['', 0],
    ['0a:58:0a:f4:00', 14],
    ['0a:58:0a:f4:00:0', 16],
    ['0a:58:0a:f4:00:02:', 17],
    ['0a-58-0a-f4-00-02', 2],
    ['0a:58:0g:f4:00:02', 7],
  ])('refuses %j and points at %i', (text, position) => {
    expect(() => parseMac(text)).toThrow(expect.objectContaining({ input: text, position }));
  });
});
