import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mac } from '../ipaddr/mac.ts';
import { parseAddr } from '../ipaddr/parse-addr.ts';
import {
  type AttributeTable,
  DecodeError,
  decodeAttributes,
  encodeAttributes,
  splitAttributes,
} from './attribute.ts';
import { addr, bool, flagSet, mac, maskedFlags, named } from './layout.ts';
import { struct } from './struct.ts';
import { Writer } from './writer.ts';

const inner = {
  mtu: { id: 1, type: 'u32' },
  port: { id: 2, type: 'be16' },
} as const satisfies AttributeTable;

const pair = struct('pair', { from: 'u32', to: 'u32' });

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
  colder: { id: 11, type: 's8' },
  below: { id: 12, type: 's16' },
  past: { id: 13, type: 's64' },
  bits: { id: 14, type: 'bitfield32' },
  pair: { id: 15, type: { struct: pair } },
  ports: { id: 16, type: { array: 'be16' } },
  pairs: { id: 17, type: { array: pair } },
  mapping: { id: 18, type: { listOf: { struct: pair }, itemId: 1 } },
  actions: { id: 19, type: { indexed: { nested: inner }, first: 1 } },
  vlan: { id: 20, type: { repeated: 'u16' } },
  netOrder: { id: 27 | 0x4000, type: 'be16' }, // NLA_F_NET_BYTEORDER
  yes: { id: 21, type: bool },
  via: { id: 22, type: addr },
  mac: { id: 23, type: mac },
  mode: { id: 24, type: named(4, { l2: 0, l3: 1 }) },
  flags: { id: 25, type: flagSet(2, { nodad: 2, permanent: 0x80 }) },
  switches: { id: 26, type: maskedFlags({ reorder: 1, gvrp: 2, mvrp: 4 }) },
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
      colder: -1,
      below: -300,
      past: -5n,
      bits: { value: 1, selector: 3 },
      pair: { from: 1, to: 2 },
      ports: [53, 443],
      pairs: [
        { from: 1, to: 2 },
        { from: 3, to: 4 },
      ],
      mapping: [{ from: 5, to: 6 }],
      actions: [{ mtu: 1 }, { port: 2 }],
      vlan: [10, 20],
      netOrder: 443,
      yes: true,
      via: parseAddr('fd00::1'),
      mac: Mac.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1)),
      mode: 'l3' as const,
      flags: ['nodad', 'permanent'] as const,
      switches: { reorder: true, mvrp: false },
    };
    expect(decodeAttributes(table, encode(values))).toEqual(values);
  });

  it('have the byte order flag where the number of the table has it', () => {
    expect([...encode({ netOrder: 443 })]).toEqual([6, 0, 27, 0x40, 1, 0xbb, 0, 0]);
  });

  it('count indexed items from where the table says', () => {
    expect([...encode({ actions: [{}, {}] })]).toEqual([
      12, 0, 19, 0x80, 4, 0, 1, 0x80, 4, 0, 2, 0x80,
    ]);
  });

  it.each([
    [{ tiny: 256 }, 'tiny: 256 is not an integer of 8 bits'],
    [{ tiny: 1.5 }, 'tiny: 1.5 is not an integer of 8 bits'],
    [{ inner: { port: 65_536 } }, 'inner.port: 65536 is not an integer of 16 bits'],
    [{ wide: 1n << 64n }, 'wide: 18446744073709551616 is not a bigint of 64 bits'],
    [{ name: 'a\0b' }, 'is not text without a NUL'],
    [{ data: {} }, 'data: not exactly one kind'],
    [{ data: { two: { x: 256 } } }, 'data.two.x: 256 is not an integer of 8 bits'],
    [{ raw: new Uint8Array(65_536) }, 'raw: 65540 bytes long, at most 65535'],
  ])('refuse %o', (values, problem) => {
    expect(() => encode(values)).toThrow(problem);
  });

  it('can be taken apart without a table', () => {
    expect([...splitAttributes(encode({ tiny: 7, on: true }))]).toEqual([
      { id: 2, bytes: Uint8Array.of(7) },
      { id: 6, bytes: new Uint8Array() },
    ]);
    expect(() => [...splitAttributes(Uint8Array.of(3, 0, 1, 0))]).toThrow('length 3 where 4');
  });

  it('keep a number that has no name', () => {
    expect(decodeAttributes(table, encode({ mode: 7 }))).toEqual({ mode: 7 });
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
