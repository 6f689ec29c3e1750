import { splitAttributes } from '../attribute.ts';
import { Writer } from '../writer.ts';

const NLA_F_NESTED = 0x8000;

/**
 * Attributes by the kernel's numbers, as bytes. The fake kernel keeps what it is given like this and
 * looks into what decides its answers alone. It does not use the tables of the families, which are
 * what it helps to test.
 */
export type RawAttributes = ReadonlyMap<number, Uint8Array>;

/** Takes attributes apart and copies them. Throws DecodeError. */
export function parseRaw(bytes: Uint8Array): Map<number, Uint8Array> {
  return new Map(Array.from(splitAttributes(bytes), ({ id, bytes: each }) => [id, each.slice()]));
}

/** Puts attributes together again. Those in `nests` are marked as nests. */
export function encodeRaw(attributes: RawAttributes, nests: readonly number[] = []): Uint8Array {
  const writer = new Writer();
  for (const [id, bytes] of attributes) {
    const flags = nests.includes(id) ? NLA_F_NESTED : 0;
    writer.u16(4 + bytes.length);
    writer.u16(id | flags);
    writer.raw(bytes);
    writer.align();
  }
  return writer.bytes();
}

/** The text of an attribute without its NUL. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
}

/** An attribute that holds text. */
export function fromText(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** The number of 1, 2, 4 or 8 bytes in an attribute, in host byte order unless told. */
export function number(bytes: Uint8Array | undefined, littleEndian = true): number | undefined {
  if (bytes === undefined) return undefined;
  const ordered = littleEndian ? bytes.toReversed() : bytes;
  return ordered.reduce((value, byte) => value * 256 + byte, 0);
}

/** An attribute that holds a 32-bit number. */
export function fromU32(value: number, littleEndian = true): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, littleEndian);
  return bytes;
}

/** Whether both hold the same bytes. */
export function equal(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
