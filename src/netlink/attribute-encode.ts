import { unreachable } from '../errors.ts';
import {
  ATTRIBUTE_HEADER_BYTES,
  type Attributes,
  type AttributeTable,
  type AttributeType,
  NLA_F_NESTED,
} from './attribute-table.ts';
import { EncodeError } from './codec-error.ts';
import { SCALARS } from './scalar.ts';
import type { Writer } from './writer.ts';

const LENGTH_MAX = 0xffff;

/** Appends `values` to `writer` in the order the object has them. Throws EncodeError. */
export function encodeAttributes<T extends AttributeTable>(
  writer: Writer,
  table: T,
  values: Attributes<T>,
): void {
  encodeTable(writer, encodersOf(table), values);
}

/** Appends the payload of an attribute. */
type Encode = (writer: Writer, value: unknown, name: string) => void;

/** Appends an attribute with its header. */
type EncodeField = (writer: Writer, value: unknown, name: string) => void;

/** What each table compiles to: how to append each of its attributes, by name. */
const compiled = new WeakMap<AttributeTable, Map<string, EncodeField>>();

function encodersOf(table: AttributeTable): Map<string, EncodeField> {
  let encoders = compiled.get(table);
  if (encoders === undefined) {
    encoders = new Map();
    // Known before it is complete, for a table may contain itself.
    compiled.set(table, encoders);
    for (const [name, { id, type }] of Object.entries(table)) {
      encoders.set(name, compileField(id, type));
    }
  }
  return encoders;
}

function encodeTable(writer: Writer, encoders: Map<string, EncodeField>, values: object): void {
  const fields = values as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    const encode = encoders.get(name);
    if (encode !== undefined) encode(writer, value, name);
    else if (name !== 'unknown') throw new EncodeError(name, 'not in the table');
  }
  const { unknown } = values as Attributes<AttributeTable>;
  if (unknown === undefined) return;
  for (const { id, bytes } of unknown) {
    const start = open(writer);
    writer.raw(bytes);
    close(writer, start, id, `${id}`);
  }
}

/** Leaves room for the header of an attribute and gives where it is. */
function open(writer: Writer): number {
  return writer.skip(ATTRIBUTE_HEADER_BYTES);
}

/** Writes the header of the attribute that was opened at `start`. */
function close(writer: Writer, start: number, id: number, name: string): void {
  const length = writer.length - start;
  if (length > LENGTH_MAX) {
    throw new EncodeError(name, `${length} bytes long, at most ${LENGTH_MAX}`);
  }
  writer.patchU32(start, length | (id << 16));
  writer.align();
}

function compileField(id: number, type: AttributeType): EncodeField {
  if (typeof type === 'object' && 'repeated' in type) {
    const encode = compileField(id, type.repeated);
    return (writer, value, name) => {
      for (const item of value as readonly unknown[]) encode(writer, item, name);
    };
  }
  const encode = compile(type);
  const header = isNest(type) ? id | NLA_F_NESTED : id;
  return (writer, value, name) => {
    const start = open(writer);
    encode(writer, value, name);
    close(writer, start, header, name);
  };
}

function isNest(type: AttributeType): boolean {
  return typeof type === 'object' && !('encode' in type || 'struct' in type || 'array' in type);
}

/** The encoder of a payload. */
function compile(type: AttributeType): Encode {
  if (typeof type === 'string') {
    const { write } = SCALARS[type];
    return (writer, value, name) => write(writer, value as never, name);
  }
  if ('encode' in type) return (writer, value) => type.encode(writer, value);
  if ('struct' in type) {
    const { struct } = type;
    return (writer, value) => struct.encode(writer, value as object);
  }
  if ('array' in type) {
    const { array } = type;
    const encode = compile(typeof array === 'string' ? array : { struct: array });
    return (writer, value, name) => {
      for (const item of value as readonly unknown[]) encode(writer, item, name);
    };
  }
  if ('nested' in type) return compileNest(type.nested);
  if ('list' in type) return compileItems(compileField(type.itemId, { nested: type.list }));
  if ('listOf' in type) return compileItems(compileField(type.itemId, type.listOf));
  if ('indexed' in type) return compileIndexed(type.indexed, type.first);
  if ('choice' in type) return compileChoice(type.choice);
  if ('repeated' in type) throw new EncodeError('', 'a table has a repetition inside another type');
  return unreachable(type);
}

function compileNest(table: AttributeTable): Encode {
  const encoders = encodersOf(table);
  return (writer, value, name) => {
    try {
      encodeTable(writer, encoders, value as object);
    } catch (error) {
      throw below(name, error);
    }
  };
}

function compileItems(encode: EncodeField): Encode {
  return (writer, value, name) => {
    for (const item of value as readonly unknown[]) encode(writer, item, name);
  };
}

function compileIndexed(type: AttributeType, first: number): Encode {
  const encode = compile(type);
  const flags = isNest(type) ? NLA_F_NESTED : 0;
  return (writer, value, name) => {
    let id = first;
    for (const item of value as readonly unknown[]) {
      const start = open(writer);
      encode(writer, item, name);
      close(writer, start, id | flags, name);
      id += 1;
    }
  };
}

function compileChoice(choice: Readonly<Record<string, AttributeTable>>): Encode {
  const nests = new Map(Object.entries(choice).map(([kind, table]) => [kind, compileNest(table)]));
  return (writer, value, name) => {
    const [chosen, ...others] = Object.entries(value as object).filter(
      ([, each]) => each !== undefined,
    );
    if (chosen === undefined || others.length > 0)
      throw new EncodeError(name, 'not exactly one kind');
    const [kind, values] = chosen;
    const encode = nests.get(kind);
    if (encode === undefined) throw new EncodeError(`${name}.${kind}`, 'not in the table');
    try {
      encode(writer, values, kind);
    } catch (error) {
      throw below(name, error);
    }
  };
}

/** The error of an attribute inside `name`, with the whole path. */
function below(name: string, error: unknown): unknown {
  return error instanceof EncodeError
    ? new EncodeError(`${name}.${error.path}`, error.problem)
    : error;
}
