import { PodwireError } from '../../errors.ts';

/*
 * Protocol buffers (https://protobuf.dev/programming-guides/encoding), the part etcd's messages are made of.
 * What a message has is a table, which drives both directions and the types.
 */

/** How a field is written: text, octets, a truth value, 64 bits, a number of an enumeration. */
type Scalar = 'string' | 'bytes' | 'bool' | 'int64' | 'enum';

/** A field's number, what it holds, and whether it is a list. */
type Field = readonly [number: number, type: Scalar | Message, repeated?: 'repeated'];

/** The fields of a message, by the names they have here. */
export interface Message {
  readonly [name: string]: Field;
}

type ScalarValue<T> = T extends 'string'
  ? string
  : T extends 'bytes'
    ? Uint8Array
    : T extends 'bool'
      ? boolean
      : T extends 'int64'
        ? bigint
        : number;

/** What a message is when it was read: absent scalars are zero or empty, absent messages undefined. */
export type Decoded<M extends Message> = {
  readonly [K in keyof M]: M[K] extends readonly [number, infer T, 'repeated']
    ? readonly (T extends Message ? Decoded<T> : ScalarValue<T>)[]
    : M[K] extends readonly [number, infer T, ...unknown[]]
      ? T extends Message
        ? Decoded<T> | undefined
        : ScalarValue<T>
      : never;
};

/** What a message is written from; what is not given is not written. */
export type Encodable<M extends Message> = {
  readonly [K in keyof M]?: M[K] extends readonly [number, infer T, 'repeated']
    ? readonly (T extends Message ? Encodable<T> : ScalarValue<T>)[]
    : M[K] extends readonly [number, infer T, ...unknown[]]
      ? T extends Message
        ? Encodable<T>
        : ScalarValue<T>
      : never;
};

/** Octets that are no message, or not the one that was expected. */
export class ProtobufError extends PodwireError {
  constructor(problem: string) {
    super('ERR_PROTOBUF', problem);
  }
}

const WIRE = { VARINT: 0, FIXED64: 1, LENGTH: 2, FIXED32: 5 } as const;
/** Ten groups of seven bits hold 64. */
const VARINT_BYTES_MAX = 10;
/** So many of them fit into a number without loss. */
const VARINT_NUMBER_BYTES = 7;

/** Writes a message. */
export function encode<M extends Message>(message: M, value: Encodable<M>): Buffer {
  const parts: Uint8Array[] = [];
  // Without its type, which has been checked: the table says how each field is written.
  for (const [name, given] of Object.entries<unknown>(value)) {
    const field = message[name];
    if (field === undefined || given === undefined) continue;
    const [number, type, repeated] = field;
    for (const each of repeated === undefined ? [given] : (given as unknown[])) {
      writeField(parts, number, type, each);
    }
  }
  return Buffer.concat(parts);
}

function writeField(
  parts: Uint8Array[],
  number: number,
  type: Scalar | Message,
  value: unknown,
): void {
  if (type === 'bool' || type === 'int64' || type === 'enum') {
    parts.push(varint(BigInt((number << 3) | WIRE.VARINT)), varint(BigInt(value as bigint)));
    return;
  }
  const octets =
    type === 'bytes'
      ? (value as Uint8Array)
      : type === 'string'
        ? Buffer.from(value as string)
        : encode(type, value as Encodable<Message>);
  parts.push(varint(BigInt((number << 3) | WIRE.LENGTH)), varint(BigInt(octets.length)), octets);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** Reads a message; fields that are not in its table are passed over. Throws ProtobufError. */
export function decode<M extends Message>(message: M, octets: Uint8Array): Decoded<M> {
  return decodeFields(message, octets) as Decoded<M>;
}

function decodeFields(message: Message, octets: Uint8Array): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  const byNumber = fieldsOf(message);
  for (const [name, [, type, repeated]] of byNumber.values()) {
    value[name] = repeated === undefined ? zeroOf(type) : [];
  }
  const reader = new Reader(octets);
  while (!reader.isAtEnd) {
    const tag = Number(reader.varint());
    const wire = tag & 7;
    const [name, field] = byNumber.get(tag >>> 3) ?? [];
    if (name === undefined || field === undefined) {
      reader.skip(wire);
      continue;
    }
    const [, type, repeated] = field;
    const read = readField(reader, name, type, wire);
    if (repeated === undefined) value[name] = read;
    else (value[name] as unknown[]).push(read);
  }
  return value;
}

type FieldsByNumber = ReadonlyMap<number, readonly [name: string, Field]>;

/** Of each table there is one object, and so one of these. */
const fieldsByMessage = new WeakMap<Message, FieldsByNumber>();

function fieldsOf(message: Message): FieldsByNumber {
  const known = fieldsByMessage.get(message);
  if (known !== undefined) return known;
  const fields = new Map(
    Object.entries(message).map(([name, field]) => [field[0], [name, field] as const]),
  );
  fieldsByMessage.set(message, fields);
  return fields;
}

function zeroOf(type: Scalar | Message): unknown {
  switch (type) {
    case 'string':
      return '';
    case 'bytes':
      return new Uint8Array(0);
    case 'bool':
      return false;
    case 'int64':
      return 0n;
    case 'enum':
      return 0;
    default:
      return undefined;
  }
}

function readField(reader: Reader, name: string, type: Scalar | Message, wire: number): unknown {
  const isNumber = type === 'bool' || type === 'int64' || type === 'enum';
  if (wire !== (isNumber ? WIRE.VARINT : WIRE.LENGTH)) {
    throw new ProtobufError(`${name}: expected another wire type, got ${wire}`);
  }
  if (type === 'bool') return reader.varint() !== 0n;
  if (type === 'int64') return BigInt.asIntN(64, reader.varint());
  if (type === 'enum') return Number(reader.varint());
  const octets = reader.octets();
  if (type === 'bytes') return octets;
  if (type === 'string') return Buffer.from(octets).toString();
  return decodeFields(type, octets);
}

/** Reads octets from their beginning to their end, and never beyond. */
class Reader {
  readonly #octets: Uint8Array;
  #at = 0;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#octets.length;
  }

  varint(): bigint {
    let value = 0;
    let high = 0n;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const octet = this.#octets[this.#at];
      if (octet === undefined) throw new ProtobufError('a number is cut off');
      this.#at += 1;
      const bits = octet & 0x7f;
      if (index < VARINT_NUMBER_BYTES) value += bits * 2 ** (7 * index);
      else high |= BigInt(bits) << BigInt(7 * index);
      if (octet < 0x80) return BigInt(value) | high;
    }
    throw new ProtobufError(`a number of more than ${VARINT_BYTES_MAX} bytes`);
  }

  octets(): Uint8Array {
    return this.#take(Number(this.varint()));
  }

  skip(wire: number): void {
    if (wire === WIRE.VARINT) this.varint();
    else if (wire === WIRE.LENGTH) this.octets();
    else if (wire === WIRE.FIXED64) this.#take(8);
    else if (wire === WIRE.FIXED32) this.#take(4);
    else throw new ProtobufError(`an unknown wire type, ${wire}`);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#octets.length) {
      throw new ProtobufError(
        `${length} bytes, of which ${this.#octets.length - this.#at} are there`,
      );
    }
    const taken = this.#octets.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
