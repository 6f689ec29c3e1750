import { PodwireError, unreachable } from '../errors.ts';
import type { Writer } from './writer.ts';

/*
 * Netlink attributes as data. A family is described once, in tables such as
 *
 *   const linkAttributes = {
 *     ifname: { id: IFLA_IFNAME, type: 'string' },
 *     linkinfo: { id: IFLA_LINKINFO, type: { nested: linkInfoAttributes } },
 *   } as const satisfies AttributeTable;
 *
 * and the table drives the encoder, the decoder and, through `Attributes`, the static types.
 */

/** Fixed-size and opaque payloads; `be` is network byte order, the others are the host's. */
type Scalar =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 's32'
  | 'be16'
  | 'be32'
  | 'be64'
  | 'string'
  | 'bytes'
  | 'flag';

/** A payload with a form of its own, such as an address or a C struct. */
export interface Layout<V> {
  encode(writer: Writer, value: V): void;
  /** Throws DecodeError; `path` is where the bytes were. */
  decode(bytes: Uint8Array, path: string): V;
}

/** What an attribute carries. */
export type AttributeType =
  | Scalar
  | Layout<unknown>
  /** The attribute comes once for each value. */
  | { readonly each: Scalar | Layout<unknown> }
  /** More attributes. */
  | { readonly nested: AttributeTable }
  /**
   * Attributes of one kind after each other, such as NFTA_LIST_ELEM. With `position` as their
   * number they are counted from 1.
   */
  | { readonly list: AttributeTable; readonly itemId: number | 'position' }
  /** Attributes whose table depends on a string in the attribute `by` beside it. */
  | { readonly choice: Readonly<Record<string, AttributeTable>>; readonly by: string };

/** One attribute: the kernel's number for it and what it carries. */
export interface AttributeField {
  readonly id: number;
  readonly type: AttributeType;
}

/** The attributes of one message or nest, by our name for them. */
export type AttributeTable = Readonly<Record<string, AttributeField>>;

/** An attribute the table does not know, kept as it came. */
export interface UnknownAttribute {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** The value an attribute of type `T` has in TypeScript. */
type ValueOf<T> = T extends 'u8' | 'u16' | 'u32' | 's32' | 'be16' | 'be32'
  ? number
  : T extends 'u64' | 'be64'
    ? bigint
    : T extends 'string'
      ? string
      : T extends 'bytes'
        ? Uint8Array
        : T extends 'flag'
          ? true
          : T extends { decode(bytes: Uint8Array, path: string): infer V }
            ? V
            : T extends { readonly each: infer E }
              ? readonly ValueOf<E>[]
              : T extends { readonly nested: infer N extends AttributeTable }
                ? Attributes<N>
                : T extends { readonly list: infer L extends AttributeTable }
                  ? readonly Attributes<L>[]
                  : T extends { readonly choice: infer C extends Record<string, AttributeTable> }
                    ? { readonly [K in keyof C]?: Attributes<C[K]> }
                    : never;

/** The decoded form of a table: every attribute optional, those unknown to it in `unknown`. */
export type Attributes<T extends AttributeTable> = {
  readonly [K in keyof T]?: ValueOf<T[K]['type']> | undefined;
} & { readonly unknown?: readonly UnknownAttribute[] };

/** A message from the kernel that does not have the shape its table says. */
export class DecodeError extends PodwireError {
  /** Where, such as `linkinfo.data.mtu`. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super('ERR_NETLINK_DECODE', `netlink attribute ${path}: ${problem}`);
    this.path = path;
  }
}

const HEADER_BYTES = 4; // struct nlattr
const NLA_F_NESTED = 0x8000; // linux/netlink.h
const NLA_TYPE_MASK = 0x3fff;
const LENGTH_MAX = 0xffff;

/** Appends `values` to `writer` in the order the object has them. */
export function encodeAttributes<T extends AttributeTable>(
  writer: Writer,
  table: T,
  values: Attributes<T>,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || name === 'unknown') continue;
    const field = table[name];
    if (field === undefined) throw new DecodeError(name, 'not in the table');
    encodeField(writer, name, field, value);
  }
  for (const { id, bytes } of values.unknown ?? []) {
    encodeOne(writer, id, () => writer.raw(bytes));
  }
}

/** Appends one attribute whose payload `write` produces. */
function encodeOne(writer: Writer, id: number, write: () => void): void {
  const start = writer.skip(HEADER_BYTES);
  write();
  const length = writer.length - start;
  if (length > LENGTH_MAX) throw new DecodeError(`${id}`, `longer than ${LENGTH_MAX} bytes`);
  writer.patchU16(start, length);
  writer.patchU16(start + 2, id);
  writer.align();
}

function encodeField(writer: Writer, name: string, field: AttributeField, value: unknown): void {
  const { type } = field;
  if (typeof type === 'string') {
    encodeOne(writer, field.id, () => encodeScalar(writer, name, type, value));
  } else if ('encode' in type) {
    encodeOne(writer, field.id, () => type.encode(writer, value));
  } else if ('each' in type) {
    for (const item of value as readonly unknown[]) {
      encodeField(writer, name, { id: field.id, type: type.each }, item);
    }
  } else if ('nested' in type) {
    const nested = value as Attributes<AttributeTable>;
    encodeOne(writer, field.id | NLA_F_NESTED, () => encodeAttributes(writer, type.nested, nested));
  } else if ('list' in type) {
    const items = value as readonly Attributes<AttributeTable>[];
    encodeOne(writer, field.id | NLA_F_NESTED, () => {
      items.forEach((item, index) => {
        const id = type.itemId === 'position' ? index + 1 : type.itemId;
        encodeOne(writer, id | NLA_F_NESTED, () => encodeAttributes(writer, type.list, item));
      });
    });
  } else {
    encodeOne(writer, field.id | NLA_F_NESTED, () =>
      encodeChoice(writer, name, type.choice, value),
    );
  }
}

function encodeChoice(
  writer: Writer,
  name: string,
  choices: Readonly<Record<string, AttributeTable>>,
  value: unknown,
): void {
  const chosen = Object.entries(value as Record<string, Attributes<AttributeTable>>);
  const [entry] = chosen;
  if (chosen.length !== 1 || entry === undefined)
    throw new DecodeError(name, 'not exactly one kind');
  const table = choices[entry[0]];
  if (table === undefined) throw new DecodeError(`${name}.${entry[0]}`, 'not in the table');
  encodeAttributes(writer, table, entry[1]);
}

function encodeScalar(writer: Writer, name: string, type: Scalar, value: unknown): void {
  switch (type) {
    case 'u8':
      writer.u8(Number(value));
      break;
    case 'u16':
      writer.u16(Number(value));
      break;
    case 'u32':
    case 's32':
      writer.u32(Number(value));
      break;
    case 'u64':
      writer.u64(BigInt(value as bigint));
      break;
    case 'be16':
      writer.u16(Number(value), false);
      break;
    case 'be32':
      writer.u32(Number(value), false);
      break;
    case 'be64':
      writer.u64(BigInt(value as bigint), false);
      break;
    case 'string':
      writer.raw(textEncoder.encode(`${value as string}\0`));
      break;
    case 'bytes':
      if (!(value instanceof Uint8Array)) throw new DecodeError(name, 'not bytes');
      writer.raw(value);
      break;
    case 'flag':
      break;
    default:
      unreachable(type);
  }
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

/** A table's fields by the kernel's number, made once for each table. */
const fieldsById = new WeakMap<AttributeTable, Map<number, readonly [string, AttributeField]>>();

function fieldsOf(table: AttributeTable): Map<number, readonly [string, AttributeField]> {
  let fields = fieldsById.get(table);
  if (fields === undefined) {
    fields = new Map(Object.entries(table).map(([name, field]) => [field.id, [name, field]]));
    fieldsById.set(table, fields);
  }
  return fields;
}

/**
 * Decodes the attributes in `bytes`. Every length is checked against what is there, and nesting is
 * as deep as the tables are, so hostile input costs no more than its size. Throws DecodeError.
 */
export function decodeAttributes<T extends AttributeTable>(
  table: T,
  bytes: Uint8Array,
  path = '',
): Attributes<T> {
  const fields = fieldsOf(table);
  const values: Record<string, unknown> = {};
  const unknown: UnknownAttribute[] = [];
  const choices: { name: string; field: AttributeField; bytes: Uint8Array }[] = [];
  for (const { id, bytes: payload } of splitAttributes(bytes, path)) {
    const entry = fields.get(id);
    if (entry === undefined) {
      unknown.push({ id, bytes: payload });
      continue;
    }
    const [name, field] = entry;
    if (typeof field.type === 'object' && 'choice' in field.type) {
      choices.push({ name, field, bytes: payload });
    } else {
      const value = decodeField(field.type, payload, path === '' ? name : `${path}.${name}`);
      const isOneOfMany = typeof field.type === 'object' && 'each' in field.type;
      values[name] = isOneOfMany ? [...((values[name] as unknown[]) ?? []), value] : value;
    }
  }
  // The attribute that decides may come after the one it decides about.
  for (const { name, field, bytes: payload } of choices) {
    const chosen = decodeChoice(field.type, values, payload, `${path}.${name}`);
    if (chosen === undefined) unknown.push({ id: field.id, bytes: payload });
    else values[name] = chosen;
  }
  if (unknown.length > 0) values.unknown = unknown;
  return values as Attributes<T>;
}

/** Splits `bytes` into attributes without looking into them. Throws DecodeError. */
export function* splitAttributes(
  bytes: Uint8Array,
  path = '',
): Generator<{ readonly id: number; readonly bytes: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(at, true);
    const id = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    if (length < HEADER_BYTES || at + length > bytes.length) {
      const left = bytes.length - at;
      throw new DecodeError(`${path}[${id}]`, `length ${length} where ${left} bytes are left`);
    }
    yield { id, bytes: bytes.subarray(at + HEADER_BYTES, at + length) };
    at += (length + 3) & ~3;
  }
}

function decodeChoice(
  type: AttributeType,
  siblings: Record<string, unknown>,
  bytes: Uint8Array,
  path: string,
): Record<string, unknown> | undefined {
  if (typeof type === 'string' || !('choice' in type)) return undefined;
  const kind = siblings[type.by];
  const table = typeof kind === 'string' ? type.choice[kind] : undefined;
  if (typeof kind !== 'string' || table === undefined) return undefined;
  return { [kind]: decodeAttributes(table, bytes, path) };
}

function decodeField(
  type: Exclude<AttributeType, { choice: unknown }>,
  bytes: Uint8Array,
  path: string,
): unknown {
  if (typeof type === 'string') return decodeScalar(type, bytes, path);
  if ('decode' in type) return type.decode(bytes, path);
  if ('each' in type) return decodeField(type.each, bytes, path);
  if ('nested' in type) return decodeAttributes(type.nested, bytes, path);
  const items: unknown[] = [];
  for (const item of splitAttributes(bytes, path)) {
    items.push(decodeAttributes(type.list, item.bytes, `${path}[${items.length}]`));
  }
  return items;
}

const SCALAR_BYTES: Readonly<Partial<Record<Scalar, number>>> = {
  u8: 1,
  u16: 2,
  be16: 2,
  u32: 4,
  s32: 4,
  be32: 4,
  u64: 8,
  be64: 8,
};

function decodeScalar(type: Scalar, bytes: Uint8Array, path: string): unknown {
  const size = SCALAR_BYTES[type] ?? 0;
  if (bytes.length < size) throw new DecodeError(path, `${bytes.length} bytes, expected ${size}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'u8':
      return view.getUint8(0);
    case 'u16':
      return view.getUint16(0, true);
    case 'u32':
      return view.getUint32(0, true);
    case 's32':
      return view.getInt32(0, true);
    case 'u64':
      return view.getBigUint64(0, true);
    case 'be16':
      return view.getUint16(0, false);
    case 'be32':
      return view.getUint32(0, false);
    case 'be64':
      return view.getBigUint64(0, false);
    case 'string': {
      const end = bytes.indexOf(0);
      return textDecoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    case 'bytes':
      // A copy: the receive buffer is used again for the next message.
      return bytes.slice();
    case 'flag':
      return true;
    default:
      return unreachable(type);
  }
}
