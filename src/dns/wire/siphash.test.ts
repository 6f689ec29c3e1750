import { describe, expect, it } from 'vitest';
import { SipHash } from './siphash.ts';

/** The first of the vectors in the paper's reference code: key 00..0f, message 00, 01, 02... */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
  [63, '724506eb4c328a95'],
];

describe('SipHash', () => {
  const hasher = new SipHash(Uint8Array.from({ length: 16 }, (_, index) => index));

  it.each(VECTORS)('of %d octets is the published value', (length, expected) => {
    const out = new Uint8Array(10);
    hasher.hash(
      Uint8Array.from({ length }, (_, index) => index),
      length,
      out,
      1,
    );
    expect(out.subarray(1, 9).toHex()).toBe(expected);
  });

  it('takes a key of 16 octets only', () => {
    expect(() => new SipHash(new Uint8Array(8))).toThrow('16 octets');
  });
});
