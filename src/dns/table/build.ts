import { CLASS_IN, TYPE } from '../wire/constants.ts';
import { encodeName, hashName } from '../wire/name.ts';
import type { Rdata } from '../wire/rdata.ts';
import type { Zone } from '../zone/zone.ts';
import {
  align4,
  ENTRY_HEADER_BYTES,
  FLAG_APEX,
  MAGIC,
  POINTER_TO_QUESTION,
  RRSET_HEADER_BYTES,
  TABLE_HEADER_BYTES,
} from './format.ts';

/** A table of this size holds a hundred thousand Services; more is a mistake. */
const TABLE_BYTES_MAX = 1 << 30;
/** Kept well apart, so that a lookup looks at few entries. */
const BUCKETS_PER_NAME = 2;

/** Packs a zone into shared memory. `ttlSeconds` is for records without their own. */
export function buildTable(zone: Zone, ttlSeconds: number): SharedArrayBuffer {
  const entries = zone.names().map((name) => {
    const wire = encodeName(name);
    return { wire, bytes: encodeEntry(zone, name, wire, ttlSeconds) };
  });
  let buckets = 16;
  while (buckets < entries.length * BUCKETS_PER_NAME) buckets *= 2;
  const start = TABLE_HEADER_BYTES + buckets * 4;
  const size = entries.reduce((sum, entry) => sum + entry.bytes.length, start);
  if (size > TABLE_BYTES_MAX) throw new RangeError(`DNS table of ${size} bytes`);
  const memory = new SharedArrayBuffer(size);
  const bytes = new Uint8Array(memory);
  const view = new DataView(memory);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, buckets - 1, true);
  let at = start;
  for (const { wire, bytes: entry } of entries) {
    bytes.set(entry, at);
    let bucket = hashName(wire, 0, wire.length) & (buckets - 1);
    while (view.getUint32(TABLE_HEADER_BYTES + bucket * 4, true) !== 0) {
      bucket = (bucket + 1) & (buckets - 1);
    }
    view.setUint32(TABLE_HEADER_BYTES + bucket * 4, at, true);
    at += entry.length;
  }
  return memory;
}

function encodeEntry(zone: Zone, name: string, wire: Uint8Array, ttlSeconds: number): Uint8Array {
  const byType = Map.groupBy(zone.recordsOf(name), (record) => record.type);
  const rrsets = [...byType].map(([type, records]) => encodeRrset(zone, type, records, ttlSeconds));
  const head = new Uint8Array(align4(ENTRY_HEADER_BYTES + wire.length));
  head[0] = zone.isApex(name) ? FLAG_APEX : 0;
  head[1] = wire.length;
  new DataView(head.buffer).setUint16(2, rrsets.length, true);
  head.set(wire, ENTRY_HEADER_BYTES);
  return Buffer.concat([head, ...rrsets]);
}

function encodeRrset(
  zone: Zone,
  type: number,
  records: readonly Rdata[],
  ttlSeconds: number,
): Uint8Array {
  const owner = Uint8Array.of(POINTER_TO_QUESTION >> 8, POINTER_TO_QUESTION & 255);
  const answers = records.map((record) => encodeRecord(owner, record, ttlSeconds));
  const targets = new Set(records.flatMap(({ target }) => (target === undefined ? [] : [target])));
  const additional = [...targets].flatMap((target) =>
    zone
      .recordsOf(target)
      .filter((record) => record.type === TYPE.A || record.type === TYPE.AAAA)
      .map((record) => encodeRecord(encodeName(target), record, ttlSeconds)),
  );
  const [first] = answers;
  const isUniform = answers.every((each) => each.length === first?.length);
  const body = Buffer.concat(answers);
  const extra = Buffer.concat(additional);
  const bytes = new Uint8Array(align4(RRSET_HEADER_BYTES + body.length + extra.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type, true);
  view.setUint16(2, answers.length, true);
  view.setUint16(4, additional.length, true);
  view.setUint16(6, isUniform ? (first?.length ?? 0) : 0, true);
  view.setUint32(8, body.length, true);
  view.setUint32(12, extra.length, true);
  bytes.set(body, RRSET_HEADER_BYTES);
  bytes.set(extra, RRSET_HEADER_BYTES + body.length);
  return bytes;
}

/** RFC 1035 section 4.1.3. */
function encodeRecord(owner: Uint8Array, record: Rdata, ttlSeconds: number): Uint8Array {
  const bytes = new Uint8Array(owner.length + 10 + record.bytes.length);
  const view = new DataView(bytes.buffer);
  bytes.set(owner);
  view.setUint16(owner.length, record.type);
  view.setUint16(owner.length + 2, CLASS_IN);
  view.setUint32(owner.length + 4, record.ttl ?? ttlSeconds);
  view.setUint16(owner.length + 8, record.bytes.length);
  bytes.set(record.bytes, owner.length + 10);
  return bytes;
}
