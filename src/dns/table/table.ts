import { hashName } from '../wire/name.ts';
import {
  align4,
  ENTRY_HEADER_BYTES,
  FLAG_APEX,
  MAGIC,
  RRSET_HEADER_BYTES,
  TABLE_HEADER_BYTES,
} from './format.ts';

/** Where an rrset's parts are in the table's bytes; used again for the next one found. */
export interface Rrset {
  type: number;
  count: number;
  additionalCount: number;
  /** Length of each record when all are alike, else 0. */
  recordBytes: number;
  start: number;
  lengthBytes: number;
  additionalLengthBytes: number;
}

/** Reads a packed table without allocating. One object serves one thread. */
export class Table {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mask: number;

  /** Throws RangeError when the memory is not a table. */
  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
    if (this.#view.getUint32(0, true) !== MAGIC) throw new RangeError('not a DNS table');
    this.#mask = this.#view.getUint32(4, true);
  }

  /** The entry of the lower-case wire name at `name[start..end]`, or 0. */
  find(name: Uint8Array, start: number, end: number): number {
    let bucket = hashName(name, start, end) & this.#mask;
    for (;;) {
      const entry = this.#view.getUint32(TABLE_HEADER_BYTES + bucket * 4, true);
      if (entry === 0 || this.#hasName(entry, name, start, end)) return entry;
      bucket = (bucket + 1) & this.#mask;
    }
  }

  isApex(entry: number): boolean {
    return ((this.bytes[entry] ?? 0) & FLAG_APEX) !== 0;
  }

  /** Fills `rrset` with the entry's records of `type`; false when it has none. */
  rrset(entry: number, type: number, rrset: Rrset): boolean {
    const count = this.#view.getUint16(entry + 2, true);
    let at = entry + align4(ENTRY_HEADER_BYTES + (this.bytes[entry + 1] ?? 0));
    for (let index = 0; index < count; index += 1) {
      rrset.type = this.#view.getUint16(at, true);
      rrset.count = this.#view.getUint16(at + 2, true);
      rrset.additionalCount = this.#view.getUint16(at + 4, true);
      rrset.recordBytes = this.#view.getUint16(at + 6, true);
      rrset.start = at + RRSET_HEADER_BYTES;
      rrset.lengthBytes = this.#view.getUint32(at + 8, true);
      rrset.additionalLengthBytes = this.#view.getUint32(at + 12, true);
      if (rrset.type === type || type === ANY_TYPE) return true;
      at += align4(RRSET_HEADER_BYTES + rrset.lengthBytes + rrset.additionalLengthBytes);
    }
    return false;
  }

  #hasName(entry: number, name: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (this.bytes[entry + 1] !== length) return false;
    const own = entry + ENTRY_HEADER_BYTES;
    for (let at = 0; at < length; at += 1) {
      if (this.bytes[own + at] !== name[start + at]) return false;
    }
    return true;
  }
}

/** Asked for any type, one rrset is answer enough (RFC 8482 section 4.1). */
const ANY_TYPE = 255;

/** An Rrset to be filled. */
export function emptyRrset(): Rrset {
  return {
    type: 0,
    count: 0,
    additionalCount: 0,
    recordBytes: 0,
    start: 0,
    lengthBytes: 0,
    additionalLengthBytes: 0,
  };
}
