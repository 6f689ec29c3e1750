import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode, type Message, ProtobufError } from './protobuf.ts';

const INNER = { number: [1, 'int64'], text: [2, 'string'] } as const satisfies Message;
const OUTER = {
  inner: [3, INNER],
  list: [4, INNER, 'repeated'],
  octets: [5, 'bytes'],
  isTrue: [6, 'bool'],
  choice: [7, 'enum'],
  names: [100, 'string', 'repeated'],
} as const satisfies Message;

const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);

describe('protobuf', () => {
  // The examples of https://protobuf.dev/programming-guides/encoding.
  it.each([
    ['089601', INNER, { number: 150n }],
    ['120774657374696e67', INNER, { text: 'testing' }],
    ['1a03089601', OUTER, { inner: { number: 150n } }],
    ['08feffffffffffffffff01', INNER, { number: -2n }],
    ['0800', INNER, { number: 0n }],
  ])('writes and reads %s', (text, message: Message, value) => {
    expect(hex(encode(message, value))).toBe(text);
    expect(decode(message, Buffer.from(text, 'hex'))).toMatchObject(value);
  });

  it('gives zero for what is not there, and passes over what it does not know', () => {
    const zero = { inner: undefined, list: [], octets: Buffer.of(), isTrue: false, choice: 0 };
    // A number, 64 bits, octets and 32 bits, of fields that are in no table.
    const unknown = Buffer.from(
      '7801 79 0102030405060708 7a0161 7d01020304'.replaceAll(' ', ''),
      'hex',
    );
    for (const octets of [Buffer.of(), unknown]) {
      expect(decode(OUTER, octets)).toEqual({ ...zero, octets: new Uint8Array(0), names: [] });
    }
  });

  it('reads what it writes', () => {
    const inner = fc.record({ number: int64, text: fc.string() });
    const outer = fc.record({
      inner,
      list: fc.array(inner, { maxLength: 4 }),
      octets: fc.uint8Array().map((octets) => Buffer.from(octets)),
      isTrue: fc.boolean(),
      choice: fc.nat(1000),
      names: fc.array(fc.string(), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(outer, (value) => {
        expect(decode(OUTER, encode(OUTER, value))).toEqual(value);
      }),
    );
  });

  it('refuses what is cut off or broken by an error of its own', () => {
    const cut = encode(OUTER, { inner: { number: -1n, text: 'x' }, octets: Buffer.alloc(300) });
    expect(() => decode(OUTER, cut.subarray(0, 2))).toThrow(/14 bytes, of which 0 are there/);
    expect(() => decode(INNER, Buffer.from('08ff', 'hex'))).toThrow('a number is cut off');
    expect(() => decode(INNER, Buffer.from(`08${'ff'.repeat(10)}00`, 'hex'))).toThrow(
      'more than 10 bytes',
    );
    expect(() => decode(INNER, Buffer.from('0a00', 'hex'))).toThrow(
      'number: expected another wire type, got 2',
    );
    expect(() => decode(INNER, Buffer.from('0b', 'hex'))).toThrow(
      'number: expected another wire type',
    );
    expect(() => decode(INNER, Buffer.from('7b', 'hex'))).toThrow('an unknown wire type, 3');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        try {
          decode(OUTER, octets);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
