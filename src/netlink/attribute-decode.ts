import {
  ATTRIBUTE_HEADER_BYTES,
  type Attributes,
  type AttributeTable,
  type AttributeType,
  NLA_TYPE_MASK,
  type UnknownAttribute,
} from './attribute-table.ts';
import { DecodeError } from './codec-error.ts';
import { SCALARS } from './scalar.ts';

/**
 * Decodes the attributes in `bytes`. Every length is checked against what is there, and nesting is
 * as deep as the tables are, so hostile input costs no more than its size. The first fault ends it:
 * throws DecodeError, and nothing of what came before is given.
 */
export function decodeAttributes<T extends AttributeTable>(
  table: T,
  bytes: Uint8Array,
  path = '',
): Attributes<T> {
  const source = { bytes, view: viewOf(bytes), copy: undefined };
  try {
    return decoderOf(table).decode(source, 0, bytes.length) as Attributes<T>;
  } catch (error) {
    throw below(path, error);
  }
}

/** Splits `bytes` into attributes without looking into them. Throws DecodeError. */
export function* splitAttributes(
  bytes: Uint8Array,
  path = '',
): Generator<{ readonly id: number; readonly bytes: Uint8Array }> {
  const view = viewOf(bytes);
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const id = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    const length = lengthAt(view, at, bytes.length, path);
    yield { id, bytes: bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length) };
    at += (length + 3) & ~3;
  }
}

/** The length of the attribute at `at`, header included, which must end at `end` or before. */
function lengthAt(view: DataView, at: number, end: number, path: string): number {
  const length = view.getUint16(at, true);
  if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) {
    const id = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    throw new DecodeError(`${path}[${id}]`, `length ${length} where ${end - at} bytes are left`);
  }
  return length;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Of all bytes, once something of them has to be kept. */
  copy: Uint8Array | undefined;
}

/**
 * What an attribute holds, for keeping: the receive buffer is used again for the next message. One
 * copy of the message costs less than one for each attribute.
 */
function kept(source: Source, at: number, end: number): Uint8Array {
  source.copy ??= source.bytes.slice();
  return source.copy.subarray(at, end);
}

/** Reads the payload that lies from `at` to `end`. */
type Decode = (source: Source, at: number, end: number) => unknown;

/** One attribute of a table, compiled. */
interface Field {
  readonly name: string;
  readonly id: number;
  readonly decode: Decode;
  readonly repeated: boolean;
}

/** An attribute whose meaning depends on another one, kept until that one is known. */
interface Choice {
  readonly name: string;
  readonly id: number;
  readonly by: string;
  readonly tables: ReadonlyMap<string, TableDecoder>;
}

const compiled = new WeakMap<AttributeTable, TableDecoder>();

function decoderOf(table: AttributeTable): TableDecoder {
  let decoder = compiled.get(table);
  if (decoder === undefined) {
    decoder = new TableDecoder();
    // Known before it is complete, for a table may contain itself.
    compiled.set(table, decoder);
    decoder.compile(table);
  }
  return decoder;
}

/** What a table compiles to. */
class TableDecoder {
  readonly #fields = new Map<number, Field>();
  readonly #choices = new Map<number, Choice>();

  compile(table: AttributeTable): void {
    for (const [name, { id, type }] of Object.entries(table)) {
      if (typeof type === 'object' && 'choice' in type) {
        const tables = new Map(
          Object.entries(type.choice).map(([kind, each]) => [kind, decoderOf(each)]),
        );
        this.#choices.set(id & NLA_TYPE_MASK, { name, id, by: type.by, tables });
      } else {
        const repeated = typeof type === 'object' && 'repeated' in type;
        const decode = compile(repeated ? type.repeated : type);
        this.#fields.set(id & NLA_TYPE_MASK, { name, id, decode, repeated });
      }
    }
  }

  decode(source: Source, start: number, end: number): Record<string, unknown> {
    const { view } = source;
    const values: Record<string, unknown> = {};
    let unknown: UnknownAttribute[] | undefined;
    let deferred: { choice: Choice; at: number; end: number }[] | undefined;
    // What an error is about; one handler for all attributes costs less than one for each.
    let name = '';
    try {
      for (let at = start; at + ATTRIBUTE_HEADER_BYTES <= end; ) {
        name = '';
        const length = lengthAt(view, at, end, '');
        const id = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
        const payload = at + ATTRIBUTE_HEADER_BYTES;
        const field = this.#fields.get(id);
        if (field !== undefined) {
          name = field.name;
          const value = field.decode(source, payload, at + length);
          if (field.repeated) append(values, name, value);
          else values[name] = value;
        } else {
          const choice = this.#choices.get(id);
          if (choice !== undefined) {
            deferred ??= [];
            deferred.push({ choice, at: payload, end: at + length });
          } else {
            unknown ??= [];
            unknown.push({ id, bytes: kept(source, payload, at + length) });
          }
        }
        at += (length + 3) & ~3;
      }
      // The attribute that decides may come after the one it decides about.
      for (const { choice, at, end: stop } of deferred ?? []) {
        name = choice.name;
        const kind = values[choice.by];
        const decoder = typeof kind === 'string' ? choice.tables.get(kind) : undefined;
        if (typeof kind !== 'string' || decoder === undefined) {
          unknown ??= [];
          unknown.push({ id: choice.id, bytes: kept(source, at, stop) });
        } else {
          values[name] = { [kind]: decoder.decode(source, at, stop) };
        }
      }
    } catch (error) {
      throw below(name, error);
    }
    if (unknown !== undefined) values.unknown = unknown;
    return values;
  }
}

/** Puts one more item under a name that may come several times. */
function append(values: Record<string, unknown>, name: string, item: unknown): void {
  const items = values[name];
  if (Array.isArray(items)) items.push(item);
  else values[name] = [item];
}

/** The decoder of a payload. */
function compile(type: AttributeType): Decode {
  if (typeof type === 'string') {
    const { sizeBytes, read } = SCALARS[type];
    return ({ bytes, view }, at, end) => {
      const length = end - at;
      if (length < sizeBytes) throw new DecodeError('', `${length} bytes, expected ${sizeBytes}`);
      return read(bytes, view, at, length);
    };
  }
  if ('decode' in type) return ({ bytes }, at, end) => type.decode(bytes.subarray(at, end));
  if ('struct' in type) {
    const { struct } = type;
    return ({ bytes }, at, end) => struct.decode(bytes.subarray(at, end));
  }
  if ('array' in type) {
    const { array } = type;
    const { sizeBytes } = typeof array === 'string' ? SCALARS[array] : array;
    return compileArray(compile(typeof array === 'string' ? array : { struct: array }), sizeBytes);
  }
  if ('nested' in type) {
    const decoder = decoderOf(type.nested);
    return (source, at, end) => decoder.decode(source, at, end);
  }
  if ('list' in type) return compileItems({ nested: type.list });
  if ('listOf' in type) return compileItems(type.listOf);
  if ('indexed' in type) return compileItems(type.indexed);
  throw new DecodeError('', 'a table has a choice or a repetition inside another type');
}

function compileArray(decode: Decode, sizeBytes: number): Decode {
  if (sizeBytes === 0) throw new DecodeError('', 'a table has an array of items without a size');
  return (source, start, end) => {
    const items: unknown[] = [];
    for (let at = start; at + sizeBytes <= end; at += sizeBytes) {
      items.push(decode(source, at, at + sizeBytes));
    }
    return items;
  };
}

function compileItems(type: AttributeType): Decode {
  const decode = compile(type);
  return (source, start, end) => {
    const items: unknown[] = [];
    for (let at = start; at + ATTRIBUTE_HEADER_BYTES <= end; ) {
      const length = lengthAt(source.view, at, end, '');
      try {
        items.push(decode(source, at + ATTRIBUTE_HEADER_BYTES, at + length));
      } catch (error) {
        throw below(`[${items.length}]`, error);
      }
      at += (length + 3) & ~3;
    }
    return items;
  };
}

/** The error of something inside `name`, with the whole path. */
function below(name: string, error: unknown): unknown {
  if (name === '' || !(error instanceof DecodeError)) return error;
  const { path, problem } = error;
  return new DecodeError(
    path === '' || path.startsWith('[') ? `${name}${path}` : `${name}.${path}`,
    problem,
  );
}
