import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AttributeTable,
  DecodeError,
  decodeAttributes,
  encodeAttributes,
} from './attribute.ts';
import { Writer } from './writer.ts';

const inner = {
  mtu: { id: 1, type: 'u32' },
  port: { id: 2, type: 'be16' },
} as const satisfies AttributeTable;

const table = {
  name: { id: 1, type: 'string' },
  tiny: { id: 2, type: 'u8' },
  wide: { id: 3, type: 'be64' },
  signed: { id: 4, type: 's32' },
  raw: { id: 5, type: 'bytes' },
  on: { id: 6, type: 'flag' },
  inner: { id: 7, type: { nested: inner } },
  rows: { id: 8, type: { list: inner, itemId: 1 } },
  // The choice comes before the attribute that decides it.
  data: { id: 9, type: { choice: { one: inner, two: { x: { id: 1, type: 'u8' } } }, by: 'kind' } },
  kind: { id: 10, type: 'string' },
  names: { id: 11, type: { array: 'string', itemId: 1 } },
  netOrder: { id: 12 | 0x4000, type: 'be16' }, // NLA_F_NET_BYTEORDER
} as const satisfies AttributeTable;

function encode(values: Parameters<typeof encodeAttributes<typeof table>>[2]): Uint8Array {
  const writer = new Writer();
  encodeAttributes(writer, table, values);
  return writer.bytes().slice();
}

describe('attributes', () => {
  it('have the layout of struct nlattr, padded to four bytes', () => {
    expect([...encode({ name: 'eth0', tiny: 7 })]).toEqual([
      9, 0, 1, 0, 0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0, 5, 0, 2, 0, 7, 0, 0, 0,
    ]);
  });

  it('carry the byte order flag where the number has it', () => {
    expect([...encode({ netOrder: 443 })]).toEqual([6, 0, 12, 0x40, 1, 0xbb, 0, 0]);
  });

  it('come back as they went', () => {
    const values = {
      name: 'cni0',
      tiny: 255,
      wide: 0x0102030405060708n,
      signed: -7,
      raw: Uint8Array.of(1, 2, 3),
      on: true as const,
      inner: { mtu: 1500, port: 53 },
      rows: [{ mtu: 1 }, { port: 2 }, {}],
      data: { two: { x: 9 } },
      kind: 'two',
      names: ['eth0', 'eth1'],
      netOrder: 443,
    };
    expect(decodeAttributes(table, encode(values))).toEqual(values);
  });

  it('keep what the table does not know', () => {
    const unknown = [{ id: 99, bytes: Uint8Array.of(1, 2, 3, 4) }];
    expect(decodeAttributes(table, encode({ tiny: 1, unknown }))).toEqual({ tiny: 1, unknown });
  });

  it('name the place where the bytes are wrong', () => {
    const bytes = Uint8Array.of(12, 0, 7, 0x80, 6, 0, 1, 0, 1, 2, 0, 0);
    expect(() => decodeAttributes(table, bytes)).toThrow('inner.mtu: 2 bytes, expected 4');
    expect(() => decodeAttributes(table, Uint8Array.of(200, 0, 1, 0))).toThrow(
      'length 200 where 4 bytes are left',
    );
  });

  it('decode any bytes or refuse them, and never do anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(typeof decodeAttributes(table, bytes)).toBe('object');
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});
