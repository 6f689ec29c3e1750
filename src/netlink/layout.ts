import { Addr } from '../ipaddr/addr.ts';
import { Mac } from '../ipaddr/mac.ts';
import { Prefix } from '../ipaddr/prefix.ts';
import { DecodeError, type Layout } from './attribute.ts';
import { EncodeError } from './codec-error.ts';
import { namesOf } from './flags.ts';

/* Payloads that several families have: attributes that are more than a number, as values. */

/** A u8 that is 0 or 1. */
export const bool: Layout<boolean> = {
  encode: (writer, value) => writer.u8(Number(value)),
  decode: (bytes) => readUint(bytes, 1) !== 0,
};

/** An IPv4 or IPv6 address, which its size tells apart. */
export const addr: Layout<Addr> = {
  encode: (writer, value) => writer.raw(value.toBytes()),
  decode(bytes) {
    if (bytes.length === 4 || bytes.length === 16) return Addr.fromBytes(bytes);
    throw new DecodeError('', `${bytes.length} bytes, expected an address of 4 or 16`);
  },
};

/** An address with the length of its prefix, which messages have in two places. Throws DecodeError. */
export function prefixOf(address: Addr, bits: number): Prefix {
  if (bits <= address.bits) return Prefix.of(address, bits);
  throw new DecodeError(
    '',
    `prefix length ${bits} of ${address}, expected at most ${address.bits}`,
  );
}

/** An Ethernet address. */
export const mac: Layout<Mac> = {
  encode: (writer, value) => writer.raw(value.toBytes()),
  decode(bytes) {
    if (bytes.length === 6) return Mac.fromBytes(bytes);
    throw new DecodeError('', `${bytes.length} bytes, expected a MAC of 6`);
  },
};

/** How many octets a number has. */
type Width = 1 | 2 | 4;

/**
 * A number that stands for one of some names, such as IPVLAN_MODE_L2. A number without a name, which
 * a newer kernel may send, stays a number.
 */
export function named<const N extends Readonly<Record<string, number>>>(
  width: Width,
  names: N,
): Layout<keyof N | number> {
  const byNumber = new Map<number, keyof N>(
    Object.entries(names).map(([name, number]) => [number, name]),
  );
  return {
    encode: (writer, value) =>
      writer.uint(width, typeof value === 'number' ? value : numberOf(names, value)),
    decode(bytes) {
      const number = readUint(bytes, width);
      return byNumber.get(number) ?? number;
    },
  };
}

/** Bits with names, as the names of those that are set. Bits without a name are left out. */
export function flagSet<const N extends Readonly<Record<string, number>>>(
  width: Width,
  names: N,
): Layout<readonly (keyof N)[]> {
  return {
    encode: (writer, value) =>
      writer.uint(
        width,
        value.reduce((bits, name) => bits | numberOf(names, name), 0),
      ),
    decode(bytes) {
      return namesOf(names, readUint(bytes, width));
    },
  };
}

/**
 * Two u32, bits and which of them count, such as struct ifla_vlan_flags: what is left out stays as
 * it is.
 */
export function maskedFlags<const N extends Readonly<Record<string, number>>>(
  names: N,
): Layout<{ readonly [K in keyof N]?: boolean }> {
  const bits = (value: Readonly<Record<string, boolean | undefined>>, of: boolean[]): number =>
    Object.entries(names).reduce(
      (sum, [name, bit]) => (of.some((each) => each === value[name]) ? sum | bit : sum),
      0,
    );
  return {
    encode(writer, value) {
      writer.u32(bits(value, [true]));
      writer.u32(bits(value, [true, false]));
    },
    decode(bytes) {
      const values = readUint(bytes, 4);
      const mask = readUint(bytes.subarray(4), 4);
      const known = Object.entries(names).filter(([, bit]) => (mask & bit) !== 0);
      return Object.fromEntries(known.map(([name, bit]) => [name, (values & bit) !== 0])) as {
        [K in keyof N]?: boolean;
      };
    },
  };
}

/** The number with the name. Throws EncodeError where nobody gave it one. */
function numberOf<N extends Readonly<Record<string, number>>>(names: N, name: keyof N): number {
  const number = names[name];
  if (number !== undefined) return number;
  const expected = Object.keys(names).join(', ');
  throw new EncodeError(String(name), `not a name there is, expected one of ${expected}`);
}

function readUint(bytes: Uint8Array, width: Width): number {
  if (bytes.length < width) {
    throw new DecodeError('', `${bytes.length} bytes, expected ${width}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 1) return view.getUint8(0);
  return width === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
}
