import { DecodeError, EncodeError } from './codec-error.ts';
import { SCALARS } from './scalar.ts';
import type { Writer } from './writer.ts';

/** What a field of a structure may be: an integer, bytes of a fixed length, or another structure. */
type StructType =
  | 'u8'
  | 's8'
  | 'u16'
  | 's16'
  | 'be16'
  | 'u32'
  | 's32'
  | 'be32'
  | 'u64'
  | 's64'
  | 'be64'
  | { readonly bytes: number }
  | { readonly struct: Struct<StructFields> };

/** The fields of a structure in their order, by our name for them. */
export type StructFields = Readonly<Record<string, StructType>>;

type FieldValue<T> = T extends 'u64' | 's64' | 'be64'
  ? bigint
  : T extends string
    ? number
    : T extends { readonly bytes: number }
      ? Uint8Array
      : T extends { readonly struct: Struct<infer F> }
        ? StructValues<F>
        : never;

/** The values of a structure; what is left out is zero when encoding. */
export type StructValues<F extends StructFields> = { readonly [K in keyof F]?: FieldValue<F[K]> };

/** The values of a structure that was decoded: all of them. */
export type StructDecoded<F extends StructFields> = { readonly [K in keyof F]: FieldValue<F[K]> };

/** A structure of the kernel described as data, such as struct ifinfomsg. */
export interface Struct<F extends StructFields> {
  readonly name: string;
  readonly sizeBytes: number;
  encode(writer: Writer, values: StructValues<F>): void;
  /** Decodes the beginning of `bytes`. Throws DecodeError when it is too short. */
  decode(bytes: Uint8Array): StructDecoded<F>;
}

/** Makes a Struct of fields in their order. They must be aligned as the kernel's are, by padding. */
export function struct<const F extends StructFields>(name: string, fields: F): Struct<F> {
  const codecs = Object.entries(fields).map(([field, type]) =>
    fieldCodec(`${name}.${field}`, field, type),
  );
  const sizeBytes = codecs.reduce((sum, codec) => sum + codec.sizeBytes, 0);
  return {
    name,
    sizeBytes,
    encode(writer, values) {
      for (const codec of codecs) codec.encode(writer, values[codec.field]);
    },
    decode(bytes) {
      if (bytes.length < sizeBytes) {
        throw new DecodeError(name, `${bytes.length} bytes, expected ${sizeBytes}`);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const values: Record<string, unknown> = {};
      let at = 0;
      for (const codec of codecs) {
        values[codec.field] = codec.decode(bytes, view, at);
        at += codec.sizeBytes;
      }
      return values as StructDecoded<F>;
    },
  };
}

/** How one field is written and read; undefined is written as zeros. */
interface FieldCodec {
  readonly field: string;
  readonly sizeBytes: number;
  readonly encode: (writer: Writer, value: unknown) => void;
  readonly decode: (bytes: Uint8Array, view: DataView, at: number) => unknown;
}

function fieldCodec(path: string, field: string, type: StructType): FieldCodec {
  if (typeof type === 'string') {
    const { sizeBytes, read, write } = SCALARS[type];
    return {
      field,
      sizeBytes,
      encode: (writer, value) => {
        if (value === undefined) writer.skip(sizeBytes);
        else write(writer, value as never, path);
      },
      decode: (bytes, view, at) => read(bytes, view, at, sizeBytes),
    };
  }
  if ('bytes' in type) {
    const sizeBytes = type.bytes;
    return {
      field,
      sizeBytes,
      encode: (writer, value) => {
        const bytes = value ?? new Uint8Array(sizeBytes);
        if (!(bytes instanceof Uint8Array) || bytes.length > sizeBytes) {
          throw new EncodeError(path, `not at most ${sizeBytes} bytes`);
        }
        writer.raw(bytes);
        writer.skip(sizeBytes - bytes.length);
      },
      decode: (bytes, _view, at) => bytes.slice(at, at + sizeBytes),
    };
  }
  const inner = type.struct;
  return {
    field,
    sizeBytes: inner.sizeBytes,
    encode: (writer, value) => inner.encode(writer, value ?? {}),
    decode: (bytes, _view, at) => inner.decode(bytes.subarray(at)),
  };
}
