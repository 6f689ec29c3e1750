import { hashName } from '../wire/name.ts';
import { findAddress, hasPrefix } from './address-tree.ts';
import {
  BUCKET_REMOVED,
  BUCKETS_HEADER_BYTES,
  ENTRY_FLAGS,
  ENTRY_HASH,
  ENTRY_HEADER_BYTES,
  ENTRY_NAME_BYTES,
  ENTRY_RRSETS,
  ENTRY_VIEW,
  FLAG_BELOW,
  FLAG_STALE,
  FLAG_SYNCED,
  HEADER,
  MAGIC,
  READERS_WORD,
  RRSET_HEADER_BYTES,
} from './format.ts';

/** What a zone holds: a cluster's names, those of several clusters, or addresses backwards. */
export type ZoneKind = 'cluster' | 'clusterset' | 'reverse4' | 'reverse6';

/** A zone that is answered from a table. */
export interface TableZone {
  /** In wire form and lower case. */
  readonly name: Uint8Array;
  readonly kind: ZoneKind;
}

/** All that is needed to read a table, in a form that can be sent to another thread. */
export interface TableSource {
  readonly memory: SharedArrayBuffer;
  /** The longest first. */
  readonly zones: readonly TableZone[];
  /** What PTR and NS records end in: the first of the cluster's own zones, in wire form. */
  readonly home: Uint8Array;
  /** Wire names in and below which a name that isn't there is somebody else's to answer. */
  readonly fallthrough: readonly Uint8Array[];
  readonly podsEcho: boolean;
}

/** Where an rrset is in the table's bytes; used again for the next one found. */
export interface Rrset {
  kind: number;
  count: number;
  /** Where in the entry's name that of the Service begins. */
  serviceOffset: number;
  start: number;
  lengthBytes: number;
}

/** Reads a table without allocating, while it is written. */
export class Table {
  readonly source: TableSource;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #view: DataView;

  /** Throws RangeError when the memory is not a table. */
  constructor(source: TableSource) {
    this.source = source;
    this.bytes = new Uint8Array(source.memory);
    this.words = new Uint32Array(source.memory);
    this.#view = new DataView(source.memory);
    if (this.words[HEADER.MAGIC] !== MAGIC) throw new RangeError('not a DNS table');
  }

  /** Alone, a table has all names. */
  tableFor(): Table {
    return this;
  }

  /** Counts the publications. */
  get generation(): number {
    return Atomics.load(this.words, HEADER.GENERATION);
  }

  /** Whether what is not there is known not to exist. */
  get isSynced(): boolean {
    return (Atomics.load(this.words, HEADER.FLAGS) & FLAG_SYNCED) !== 0;
  }

  /** Whether what is there may be out of date. */
  get isStale(): boolean {
    return (Atomics.load(this.words, HEADER.FLAGS) & FLAG_STALE) !== 0;
  }

  /** Whether entries may say what is below them. */
  get hasBelow(): boolean {
    return (Atomics.load(this.words, HEADER.FLAGS) & FLAG_BELOW) !== 0;
  }

  get serial(): number {
    return Atomics.load(this.words, HEADER.SERIAL);
  }

  get ttlSeconds(): number {
    return this.words[HEADER.TTL] ?? 0;
  }

  /** Says that `reader` reads from now on what is there now; until then blocks may be used again. */
  enter(reader: number): void {
    Atomics.store(this.words, READERS_WORD + reader, this.generation);
  }

  /** Says that `reader` holds on to nothing it has read. */
  leave(reader: number): void {
    Atomics.store(this.words, READERS_WORD + reader, 0);
  }

  /** The entry of the lower-case relative wire name `name[start..end]`, or 0. */
  find(view: number, name: Uint8Array, start: number, end: number): number {
    const { words } = this;
    const hash = hashName(name, start, end, view);
    const buckets = Atomics.load(words, HEADER.BUCKETS);
    if (buckets === 0) return 0;
    const mask = words[(buckets >>> 2) + 1] ?? 0;
    const first = (buckets + BUCKETS_HEADER_BYTES) >>> 2;
    for (let bucket = hash & mask; ; bucket = (bucket + 1) & mask) {
      const entry = Atomics.load(words, first + bucket);
      if (entry === 0) return 0;
      if (entry === BUCKET_REMOVED || words[(entry + ENTRY_HASH) >>> 2] !== hash) continue;
      if (this.#hasName(entry, view, name, start, end)) return entry;
    }
  }

  /** The flags of an entry. */
  flagsOf(entry: number): number {
    return this.bytes[entry + ENTRY_FLAGS] ?? 0;
  }

  /** The length of an entry's name, which begins at `nameAt(entry)`. */
  nameBytesOf(entry: number): number {
    return this.bytes[entry + ENTRY_NAME_BYTES] ?? 0;
  }

  nameAt(entry: number): number {
    return entry + ENTRY_HEADER_BYTES;
  }

  viewOf(entry: number): number {
    return this.bytes[entry + ENTRY_VIEW] ?? 0;
  }

  rrsetsOf(entry: number): number {
    return this.bytes[entry + ENTRY_RRSETS] ?? 0;
  }

  /** Fills `rrset` with the entry's records of `kind`, or its first when that is -1. */
  rrset(entry: number, kind: number, rrset: Rrset): boolean {
    const count = this.rrsetsOf(entry);
    let at = this.nameAt(entry) + this.nameBytesOf(entry);
    for (let index = 0; index < count; index += 1) {
      rrset.kind = this.bytes[at] ?? 0;
      rrset.serviceOffset = this.bytes[at + 1] ?? 0;
      rrset.count = this.#view.getUint16(at + 2, true);
      rrset.lengthBytes = this.#view.getUint32(at + 4, true);
      rrset.start = at + RRSET_HEADER_BYTES;
      if (rrset.kind === kind || kind < 0) return true;
      at = rrset.start + rrset.lengthBytes;
    }
    return false;
  }

  /** The leaf of an address of 4 or 16 octets, or 0. */
  findAddress(address: Uint8Array, lengthBytes: number): number {
    const root = lengthBytes === 4 ? HEADER.TREE4 : HEADER.TREE6;
    return findAddress(this.words, this.bytes, root, address, lengthBytes);
  }

  /** Whether there is an address that begins with `bits` of `address`. */
  hasPrefix(address: Uint8Array, bits: number, family: 4 | 6): boolean {
    const root = family === 4 ? HEADER.TREE4 : HEADER.TREE6;
    return hasPrefix(this.words, this.bytes, root, address, bits);
  }

  /** The block with the names of the NS records, or 0. */
  get apex(): number {
    return Atomics.load(this.words, HEADER.APEX);
  }

  #hasName(entry: number, view: number, name: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this;
    const length = end - start;
    if (bytes[entry + ENTRY_NAME_BYTES] !== length || bytes[entry + ENTRY_VIEW] !== view) {
      return false;
    }
    const own = entry + ENTRY_HEADER_BYTES;
    for (let at = 0; at < length; at += 1) {
      if (bytes[own + at] !== name[start + at]) return false;
    }
    return true;
  }
}

/** An Rrset to be filled. */
export function emptyRrset(): Rrset {
  return { kind: 0, count: 0, serviceOffset: 0, start: 0, lengthBytes: 0 };
}
