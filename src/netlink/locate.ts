import {
  ATTRIBUTE_HEADER_BYTES,
  type AttributeTable,
  type AttributeType,
  NLA_TYPE_MASK,
} from './attribute-table.ts';

/* What the kernel means when it points at a byte of a request, in the words of our tables. */

/** A place in encoded attributes. */
export interface Place {
  /** Our name of the innermost attribute, such as `linkinfo.data.bridge.vlanFiltering`. */
  readonly path: string;
  /** The table of what is inside it, if attributes are. */
  readonly table: AttributeTable | undefined;
}

/** The attribute that byte `offset` of `bytes`, which `table` describes, belongs to. */
export function placeAt(table: AttributeTable, bytes: Uint8Array, offset: number): Place {
  let place: Place = { path: '', table };
  let nest: Nest | undefined = { type: { nested: table }, start: 0, end: bytes.length };
  while (nest !== undefined) {
    const found = attributeAt(bytes, nest.start, nest.end, offset);
    if (found === undefined) return place;
    const inner = step(place.path, nest, bytes, found);
    place = inner.place;
    const isHeader = offset < found.start + ATTRIBUTE_HEADER_BYTES;
    nest = isHeader || inner.type === undefined ? undefined : payloadOf(found, inner.type);
  }
  return place;
}

/** The name of the attribute with the kernel's number `id` in `table`, or the number. */
export function nameOf(table: AttributeTable | undefined, id: number): string {
  const entry = Object.entries(table ?? {}).find(([, field]) => (field.id & NLA_TYPE_MASK) === id);
  return entry?.[0] ?? `[${id}]`;
}

/** Attributes from `start` to `end`, inside one of type `type`. */
interface Nest {
  readonly type: AttributeType;
  readonly start: number;
  readonly end: number;
}

/** One attribute with its header. */
interface Found {
  readonly id: number;
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

function attributeAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
): Found | undefined {
  let index = 0;
  for (const found of attributes(bytes, start, end)) {
    if (offset >= found.start && offset < found.end) return { ...found, index };
    index += 1;
  }
  return undefined;
}

function* attributes(
  bytes: Uint8Array,
  start: number,
  end: number,
): Generator<Omit<Found, 'index'>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = start; at + ATTRIBUTE_HEADER_BYTES <= end; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) return;
    const id = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    yield { id, start: at, end: at + length };
    at += (length + 3) & ~3;
  }
}

function payloadOf(found: Found, type: AttributeType): Nest {
  return { type, start: found.start + ATTRIBUTE_HEADER_BYTES, end: found.end };
}

/** Where `found`, an attribute of `nest`, is, and of what type it is. */
function step(
  path: string,
  nest: Nest,
  bytes: Uint8Array,
  found: Found,
): { place: Place; type: AttributeType | undefined } {
  const { type } = nest;
  const item = (inner: AttributeType) => ({
    place: { path: `${path}[${found.index}]`, table: tableOf(inner) },
    type: inner,
  });
  if (typeof type === 'object') {
    if ('list' in type) return item({ nested: type.list });
    if ('listOf' in type) return item(type.listOf);
    if ('indexed' in type) return item(type.indexed);
  }
  const table = tableOf(type) ?? {};
  const name = nameOf(table, found.id);
  const full = path === '' ? name : `${path}.${name}`;
  const field = table[name]?.type;
  const inner = typeof field === 'object' && 'repeated' in field ? field.repeated : field;
  if (typeof inner !== 'object' || !('choice' in inner)) {
    return { place: { path: full, table: tableOf(inner) }, type: inner };
  }
  const kind = textOf(bytes, nest, table[inner.by]?.id);
  const chosen = kind === undefined ? undefined : inner.choice[kind];
  if (chosen === undefined) return { place: { path: full, table: undefined }, type: undefined };
  return { place: { path: `${full}.${kind}`, table: chosen }, type: { nested: chosen } };
}

function tableOf(type: AttributeType | undefined): AttributeTable | undefined {
  return typeof type === 'object' && 'nested' in type ? type.nested : undefined;
}

/** The text in attribute `id` of `nest`. */
function textOf(bytes: Uint8Array, nest: Nest, id: number | undefined): string | undefined {
  for (const found of attributes(bytes, nest.start, nest.end)) {
    if (found.id !== id) continue;
    const payload = bytes.subarray(found.start + ATTRIBUTE_HEADER_BYTES, found.end);
    return new TextDecoder().decode(payload).replace(/\0.*$/s, '');
  }
  return undefined;
}
