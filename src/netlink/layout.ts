import { Addr } from '../ipaddr/addr.ts';
import { Mac } from '../ipaddr/mac.ts';
import { DecodeError, type Layout } from './attribute.ts';

/* Payloads that several families have: attributes that are more than a number, as values. */

/** A u8 that is 0 or 1. */
export const bool: Layout<boolean> = {
  encode: (writer, value) => writer.u8(Number(value)),
  decode: (bytes, path) => readUint(bytes, 1, path) !== 0,
};

/** An IPv4 or IPv6 address, which its size tells apart. */
export const addr: Layout<Addr> = {
  encode: (writer, value) => writer.raw(value.toBytes()),
  decode(bytes, path) {
    if (bytes.length === 4 || bytes.length === 16) return Addr.fromBytes(bytes);
    throw new DecodeError(path, `${bytes.length} bytes, expected an address of 4 or 16`);
  },
};

/** An Ethernet address. */
export const mac: Layout<Mac> = {
  encode: (writer, value) => writer.raw(value.toBytes()),
  decode(bytes, path) {
    if (bytes.length === 6) return Mac.fromBytes(bytes);
    throw new DecodeError(path, `${bytes.length} bytes, expected a MAC of 6`);
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
      writer.uint(width, typeof value === 'number' ? value : (names[value] ?? 0)),
    decode(bytes, path) {
      const number = readUint(bytes, width, path);
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
        value.reduce((bits, name) => bits | (names[name] ?? 0), 0),
      ),
    decode(bytes, path) {
      const bits = readUint(bytes, width, path);
      return Object.entries(names)
        .filter(([, bit]) => (bits & bit) !== 0)
        .map(([name]) => name);
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
    decode(bytes, path) {
      const values = readUint(bytes, 4, path);
      const mask = readUint(bytes.subarray(4), 4, path);
      const known = Object.entries(names).filter(([, bit]) => (mask & bit) !== 0);
      return Object.fromEntries(known.map(([name, bit]) => [name, (values & bit) !== 0])) as {
        [K in keyof N]?: boolean;
      };
    },
  };
}

function readUint(bytes: Uint8Array, width: Width, path: string): number {
  if (bytes.length < width) {
    throw new DecodeError(path, `${bytes.length} bytes, expected ${width}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 1) return view.getUint8(0);
  return width === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
}
