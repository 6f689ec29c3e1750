import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mac } from '../ipaddr/mac.ts';
import { parseAddr } from '../ipaddr/parse-addr.ts';
import {
  type AttributeTable,
  DecodeError,
  decodeAttributes,
  encodeAttributes,
} from './attribute.ts';
import { addr, bool, flagSet, mac, named } from './layout.ts';
import { struct } from './struct.ts';
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
  yes: { id: 11, type: bool },
  via: { id: 12, type: addr },
  mac: { id: 13, type: mac },
  mode: { id: 14, type: named(4, { l2: 0, l3: 1 }) },
  flags: { id: 15, type: flagSet(2, { nodad: 2, permanent: 0x80 }) },
  names: { id: 16, type: { each: 'string' } },
  range: { id: 17, type: struct('range', { start: 'u16', end: 'u16' }) },
  actions: { id: 18, type: { list: inner, itemId: 'position' } },
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
      yes: true,
      via: parseAddr('fd00::1'),
      mac: Mac.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1)),
      mode: 'l3' as const,
      flags: ['nodad', 'permanent'] as const,
      names: ['eth0', 'uplink'],
      range: { start: 1, end: 2 },
      actions: [{ mtu: 1 }, { port: 2 }],
    };
    expect(decodeAttributes(table, encode(values))).toEqual(values);
  });

  it('keep a number that has no name', () => {
    expect(decodeAttributes(table, encode({ mode: 7 }))).toEqual({ mode: 7 });
  });

  it('number the items of a list by their position', () => {
    const bytes = encode({ actions: [{}, {}] });
    expect([...bytes]).toEqual([12, 0, 18, 0x80, 4, 0, 1, 0x80, 4, 0, 2, 0x80]);
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
