import { EncodeError } from './codec-error.ts';
import type { Writer } from './writer.ts';

/** Bits that are to be changed, and what to (struct nla_bitfield32). */
export interface Bitfield32 {
  readonly value: number;
  readonly selector: number;
}

/** How one kind of payload is read and written. */
interface Scalar<T> {
  /** A shorter payload is refused. */
  readonly sizeBytes: number;
  readonly read: (bytes: Uint8Array, view: DataView, at: number, length: number) => T;
  readonly write: (writer: Writer, value: T, name: string) => void;
}

const textDecoder = new TextDecoder();

/**
 * Integers of all sizes: `be` is network byte order, the others are the host's. The upper half of an
 * unsigned one may also be written as the negative number with the same bits.
 */
const integers = {
  u8: integer(
    8,
    (view, at) => view.getUint8(at),
    (writer, value) => writer.u8(value),
  ),
  s8: integer(
    8,
    (view, at) => view.getInt8(at),
    (writer, value) => writer.u8(value),
  ),
  u16: integer(
    16,
    (view, at) => view.getUint16(at, true),
    (writer, value) => writer.u16(value),
  ),
  s16: integer(
    16,
    (view, at) => view.getInt16(at, true),
    (writer, value) => writer.u16(value),
  ),
  be16: integer(
    16,
    (view, at) => view.getUint16(at),
    (writer, value) => writer.u16(value, false),
  ),
  u32: integer(
    32,
    (view, at) => view.getUint32(at, true),
    (writer, value) => writer.u32(value),
  ),
  s32: integer(
    32,
    (view, at) => view.getInt32(at, true),
    (writer, value) => writer.u32(value),
  ),
  be32: integer(
    32,
    (view, at) => view.getUint32(at),
    (writer, value) => writer.u32(value, false),
  ),
} as const;

const wideIntegers = {
  u64: wide(
    (view, at) => view.getBigUint64(at, true),
    (writer, value) => writer.u64(value),
  ),
  s64: wide(
    (view, at) => view.getBigInt64(at, true),
    (writer, value) => writer.u64(value),
  ),
  be64: wide(
    (view, at) => view.getBigUint64(at),
    (writer, value) => writer.u64(value, false),
  ),
} as const;

const others = {
  /** Text without its NUL. */
  string: scalar<string>({
    sizeBytes: 0,
    read: (bytes, _view, at, length) => {
      const nul = bytes.indexOf(0, at);
      const end = nul < 0 || nul > at + length ? at + length : nul;
      return textDecoder.decode(bytes.subarray(at, end));
    },
    write: (writer, value, name) => {
      if (typeof value !== 'string') throw notA(name, value, 'a string');
      if (value.includes('\0')) throw notA(name, value, 'text without a NUL');
      writer.text(value);
      writer.u8(0);
    },
  }),
  /** Opaque bytes, such as an address. A copy: the receive buffer is used again. */
  bytes: scalar<Uint8Array>({
    sizeBytes: 0,
    read: (bytes, _view, at, length) => bytes.slice(at, at + length),
    write: (writer, value, name) => {
      if (!(value instanceof Uint8Array)) throw notA(name, value, 'bytes');
      writer.raw(value);
    },
  }),
  /** True by being there. */
  flag: scalar<true>({ sizeBytes: 0, read: () => true, write: () => {} }),
  bitfield32: scalar<Bitfield32>({
    sizeBytes: 8,
    read: (_bytes, view, at) => ({
      value: view.getUint32(at, true),
      selector: view.getUint32(at + 4, true),
    }),
    write: (writer, { value, selector }) => {
      writer.u32(value);
      writer.u32(selector);
    },
  }),
} as const;

/** Every kind of payload that has no attributes in it, by the name tables use. */
export const SCALARS = { ...integers, ...wideIntegers, ...others } as const;

export type ScalarName = keyof typeof SCALARS;

/** The value a scalar has in TypeScript. */
export type ScalarValue<N extends ScalarName> =
  (typeof SCALARS)[N] extends Scalar<infer T> ? T : never;

function scalar<T>(description: Scalar<T>): Scalar<T> {
  return description;
}

function integer(
  bits: 8 | 16 | 32,
  read: (view: DataView, at: number) => number,
  write: (writer: Writer, value: number) => void,
): Scalar<number> {
  const [min, max] = [-(2 ** (bits - 1)), 2 ** bits - 1];
  return {
    sizeBytes: bits / 8,
    read: (_bytes, view, at) => read(view, at),
    write: (writer, value, name) => {
      if (!(value >= min && value <= max && Number.isInteger(value))) {
        throw notA(name, value, `an integer of ${bits} bits`);
      }
      write(writer, value);
    },
  };
}

function wide(
  read: (view: DataView, at: number) => bigint,
  write: (writer: Writer, value: bigint) => void,
): Scalar<bigint> {
  const [min, max] = [-(1n << 63n), (1n << 64n) - 1n];
  return {
    sizeBytes: 8,
    read: (_bytes, view, at) => read(view, at),
    write: (writer, value, name) => {
      if (typeof value !== 'bigint' || value < min || value > max) {
        throw notA(name, value, 'a bigint of 64 bits');
      }
      write(writer, value);
    },
  };
}

function notA(name: string, value: unknown, expected: string): EncodeError {
  return new EncodeError(name, `${String(value)} is not ${expected}`);
}
