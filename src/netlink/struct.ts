import { unreachable } from '../errors.ts';
import { DecodeError } from './attribute.ts';
import type { Writer } from './writer.ts';

type StructType = 'u8' | 'u16' | 'be16' | 'u32' | 's32';

const SIZE_BYTES: Readonly<Record<StructType, number>> = { u8: 1, u16: 2, be16: 2, u32: 4, s32: 4 };

/** The fields of a fixed header in their order, by our name for them. */
export type StructFields = Readonly<Record<string, StructType>>;

/** The values of a fixed header; what is left out is zero when encoding. */
export type StructValues<F extends StructFields> = { readonly [K in keyof F]?: number };

/** The fixed header of a family's messages, such as struct ifinfomsg, described as data. */
export interface Struct<F extends StructFields> {
  readonly sizeBytes: number;
  encode(writer: Writer, values: StructValues<F>): void;
  /** Throws DecodeError when `bytes` is too short. */
  decode(bytes: Uint8Array): { readonly [K in keyof F]: number };
}

/** Makes a Struct of fields in their order. They must be aligned as the kernel's are, by padding. */
export function struct<const F extends StructFields>(name: string, fields: F): Struct<F> {
  const entries = Object.entries(fields);
  const sizeBytes = entries.reduce((sum, [, type]) => sum + SIZE_BYTES[type], 0);
  return {
    sizeBytes,
    encode(writer, values) {
      for (const [field, type] of entries) {
        const value = values[field] ?? 0;
        if (type === 'u8') writer.u8(value);
        else if (type === 'u16' || type === 'be16') writer.u16(value, type === 'u16');
        else writer.u32(value);
      }
    },
    decode(bytes) {
      if (bytes.length < sizeBytes) {
        throw new DecodeError(name, `${bytes.length} bytes, expected ${sizeBytes}`);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const values: Record<string, number> = {};
      let at = 0;
      for (const [field, type] of entries) {
        values[field] = readField(view, at, type);
        at += SIZE_BYTES[type];
      }
      return values as { [K in keyof F]: number };
    },
  };
}

function readField(view: DataView, at: number, type: StructType): number {
  switch (type) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 'be16':
      return view.getUint16(at, false);
    case 'u32':
      return view.getUint32(at, true);
    case 's32':
      return view.getInt32(at, true);
    default:
      return unreachable(type);
  }
}
