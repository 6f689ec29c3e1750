import { TYPE } from '../wire/constants.ts';
import { hashName } from '../wire/name.ts';
import type { PlannedName, View } from '../zone/names.ts';
import { AddressTreeWriter, type BackName } from './address-tree.ts';
import { Arena } from './arena.ts';
import { encodeEntry, relativeName } from './entry.ts';
import {
  BUCKET_REMOVED,
  BUCKETS_HEADER_BYTES,
  ENTRY_FLAGS,
  ENTRY_HASH,
  ENTRY_HEADER_BYTES,
  ENTRY_NAME_BYTES,
  ENTRY_NEXT,
  FLAG_BELOW,
  FLAG_STALE,
  FLAG_SYNCED,
  HEADER,
  REVERSE_ENDPOINT,
  REVERSE_SERVICE,
  VIEW_CLUSTER,
  VIEW_CLUSTERSET,
} from './format.ts';
import { emptyRrset, Table } from './table.ts';

const BUCKETS_MIN = 64;
/** Of the buckets; with more in use a look-up that finds nothing gets long. */
const LOAD_MAX = 0.6;

const VIEWS = { cluster: VIEW_CLUSTER, clusterset: VIEW_CLUSTERSET } as const;

/**
 * Writes a table that threads read meanwhile. A change costs what the Service it concerns costs: what
 * is new is written beside, then one pointer leads to it, and what was there goes when nobody reads
 * it any more. No name is missing at any moment between two states in which it exists.
 */
export class TableWriter {
  readonly #arena: Arena;
  readonly #tree4: AddressTreeWriter;
  readonly #tree6: AddressTreeWriter;
  readonly #reader: Table;
  readonly #rrset = emptyRrset();
  /** Entries, and buckets that are not empty. */
  #count = 0;
  #taken = 0;

  /** `sizeBytes` is address space, see TABLE_BYTES_MAX. */
  constructor(sizeBytes?: number) {
    this.#arena = new Arena(sizeBytes);
    this.#tree4 = new AddressTreeWriter(this.#arena, HEADER.TREE4);
    this.#tree6 = new AddressTreeWriter(this.#arena, HEADER.TREE6);
    this.#setBuckets(BUCKETS_MIN);
    this.#reader = new Table({
      memory: this.#arena.memory,
      zones: [],
      home: new Uint8Array(1),
      fallthrough: [],
      podsEcho: false,
    });
  }

  get memory(): SharedArrayBuffer {
    return this.#arena.memory;
  }

  /** Names in forward zones. */
  get nameCount(): number {
    return this.#count;
  }

  /** Bytes of memory the table takes. */
  get usedBytes(): number {
    return this.#arena.usedBytes;
  }

  /**
   * Makes `names` all there is of a Service: its own, `service`, which is the first, and those below
   * it. Without any the Service is gone. Gives whether it was there before. Throws NameError and
   * TableFullError.
   */
  setService(view: View, service: string, names: readonly PlannedName[]): boolean {
    const viewNumber = VIEWS[view];
    const head = this.#find(viewNumber, relativeName(service));
    const old = this.#chainOf(head);
    const kept = new Set<number>();
    const replaced: number[] = [];
    let next = 0;
    // From the last to the first, which is the Service's own and the head of the chain.
    for (const planned of names.toReversed()) {
      const wire = relativeName(planned.name);
      const known = this.#find(viewNumber, wire);
      const block = encodeEntry(viewNumber, planned, wire);
      if (known !== 0 && this.#isSame(known, block)) {
        kept.add(known);
        this.#arena.words[(known + ENTRY_NEXT) >>> 2] = next;
        next = known;
        continue;
      }
      const entry = this.#put(known, wire, viewNumber, block, next);
      if (known !== 0) replaced.push(known);
      if (viewNumber === VIEW_CLUSTER) this.#eachBackName(entry, (tree, a, n) => tree.add(a, n));
      next = entry;
    }
    const gone = new Set(replaced);
    for (const entry of old) {
      if (kept.has(entry)) continue;
      if (viewNumber === VIEW_CLUSTER) this.#removeBackNames(entry);
      if (!gone.has(entry)) this.#unlink(entry);
      this.#arena.retire(entry);
    }
    return head !== 0;
  }

  /** Makes one name, which belongs to no Service, what is planned. */
  setName(view: View, planned: PlannedName): void {
    const wire = relativeName(planned.name);
    const known = this.#find(VIEWS[view], wire);
    const block = encodeEntry(VIEWS[view], planned, wire);
    if (known !== 0 && this.#isSame(known, block)) return;
    this.#put(known, wire, VIEWS[view], block, 0);
    if (known !== 0) this.#arena.retire(known);
  }

  /** Removes a name that belongs to no Service. */
  removeName(view: View, name: string): void {
    const known = this.#find(VIEWS[view], relativeName(name));
    if (known === 0) return;
    this.#unlink(known);
    this.#arena.retire(known);
  }

  /** Makes room for so many names at once, where they are known to come. */
  reserve(names: number): void {
    let size = BUCKETS_MIN;
    while (size * LOAD_MAX < names) size *= 2;
    if (size > this.#buckets().mask + 1) this.#setBuckets(size);
  }

  /** Sets what the NS records name, relative to the zone. */
  setNameServers(names: readonly string[]): void {
    const wires = names.map(relativeName);
    const size = wires.reduce((sum, wire) => sum + 1 + wire.length, 8);
    const block = new Uint8Array(size);
    block[4] = wires.length;
    let at = 8;
    for (const wire of wires) {
      block[at] = wire.length;
      block.set(wire, at + 1);
      at += 1 + wire.length;
    }
    const { words } = this.#arena;
    const before = words[HEADER.APEX] ?? 0;
    if (before !== 0 && this.#isSame(before, block)) return;
    Atomics.store(words, HEADER.APEX, this.#arena.store(block));
    if (before !== 0) this.#arena.retire(before);
  }

  /** Sets what holds for the whole table. */
  setHeader(header: { readonly ttlSeconds: number; readonly hasBelow: boolean }): void {
    this.#arena.words[HEADER.TTL] = header.ttlSeconds;
    this.#setFlag(FLAG_BELOW, header.hasBelow);
  }

  /** Whether what is not there is known not to exist: until then it is SERVFAIL. */
  setSynced(isSynced: boolean): void {
    this.#setFlag(FLAG_SYNCED, isSynced);
  }

  /** Whether what is there may be out of date: answers then say so (RFC 8914). */
  setStale(isStale: boolean): void {
    this.#setFlag(FLAG_STALE, isStale);
  }

  /** Has all of it be seen under a new serial number. */
  publish(serial: number): void {
    Atomics.store(this.#arena.words, HEADER.SERIAL, serial);
    this.#arena.publish();
  }

  #setFlag(flag: number, isSet: boolean): void {
    const { words } = this.#arena;
    const flags = words[HEADER.FLAGS] ?? 0;
    Atomics.store(words, HEADER.FLAGS, isSet ? flags | flag : flags & ~flag);
  }

  #find(view: number, wire: Uint8Array): number {
    const bucket = this.#bucketOf(view, wire);
    return bucket < 0 ? 0 : (this.#arena.words[bucket] ?? 0);
  }

  /** The word of the bucket that leads to the name, or -1. */
  #bucketOf(view: number, wire: Uint8Array): number {
    const { words } = this.#arena;
    const hash = hashName(wire, 0, wire.length, view);
    const { first, mask } = this.#buckets();
    for (let bucket = hash & mask; ; bucket = (bucket + 1) & mask) {
      const entry = words[first + bucket] ?? 0;
      if (entry === 0) return -1;
      if (entry === BUCKET_REMOVED || words[(entry + ENTRY_HASH) >>> 2] !== hash) continue;
      if (this.#hasName(entry, view, wire)) return first + bucket;
    }
  }

  #hasName(entry: number, view: number, wire: Uint8Array): boolean {
    const { bytes } = this.#arena;
    if (bytes[entry + ENTRY_NAME_BYTES] !== wire.length) return false;
    if (bytes[entry + ENTRY_HEADER_BYTES - 1] !== view) return false;
    return wire.every((octet, at) => bytes[entry + ENTRY_HEADER_BYTES + at] === octet);
  }

  /** Whether a block holds the same, apart from hash and chain. */
  #isSame(offset: number, block: Uint8Array): boolean {
    const { bytes, words } = this.#arena;
    if (words[offset >>> 2] !== block.length) return false;
    for (let at = ENTRY_FLAGS; at < block.length; at += 1) {
      if (bytes[offset + at] !== block[at]) return false;
    }
    return true;
  }

  /** Writes an entry and has the name lead to it, in the place of `known` where that is not 0. */
  #put(known: number, wire: Uint8Array, view: number, block: Uint8Array, next: number): number {
    const { words } = this.#arena;
    const entry = this.#arena.store(block);
    const hash = hashName(wire, 0, wire.length, view);
    words[(entry + ENTRY_HASH) >>> 2] = hash;
    words[(entry + ENTRY_NEXT) >>> 2] = next;
    if (known !== 0) {
      Atomics.store(words, this.#bucketOf(view, wire), entry);
      return entry;
    }
    const { first, mask } = this.#buckets();
    let bucket = hash & mask;
    while ((words[first + bucket] ?? 0) > BUCKET_REMOVED) bucket = (bucket + 1) & mask;
    if (words[first + bucket] === 0) this.#taken += 1;
    Atomics.store(words, first + bucket, entry);
    this.#count += 1;
    if (this.#taken > (mask + 1) * LOAD_MAX) this.#grow();
    return entry;
  }

  #unlink(entry: number): void {
    const { bytes, words } = this.#arena;
    const start = entry + ENTRY_HEADER_BYTES;
    const wire = bytes.slice(start, start + (bytes[entry + ENTRY_NAME_BYTES] ?? 0));
    const bucket = this.#bucketOf(bytes[start - 1] ?? 0, wire);
    Atomics.store(words, bucket, BUCKET_REMOVED);
    this.#count -= 1;
  }

  #buckets(): { readonly first: number; readonly mask: number } {
    const { words } = this.#arena;
    const block = words[HEADER.BUCKETS] ?? 0;
    return { first: (block + BUCKETS_HEADER_BYTES) >>> 2, mask: words[(block >>> 2) + 1] ?? 0 };
  }

  #grow(): void {
    let size = BUCKETS_MIN;
    while (size * LOAD_MAX < this.#count * 1.5) size *= 2;
    this.#setBuckets(size);
  }

  /** Spreads the entries over `size` buckets, a power of two, and forgets those removed. */
  #setBuckets(size: number): void {
    const { words } = this.#arena;
    const before = words[HEADER.BUCKETS] ?? 0;
    const block = this.#arena.allocate(BUCKETS_HEADER_BYTES + size * 4);
    words[(block >>> 2) + 1] = size - 1;
    const first = (block + BUCKETS_HEADER_BYTES) >>> 2;
    this.#taken = 0;
    if (before !== 0) {
      const old = this.#buckets();
      for (let from = 0; from <= old.mask; from += 1) {
        const entry = words[old.first + from] ?? 0;
        if (entry <= BUCKET_REMOVED) continue;
        let bucket = (words[(entry + ENTRY_HASH) >>> 2] ?? 0) & (size - 1);
        while (words[first + bucket] !== 0) bucket = (bucket + 1) & (size - 1);
        words[first + bucket] = entry;
        this.#taken += 1;
      }
    }
    Atomics.store(words, HEADER.BUCKETS, block);
    if (before !== 0) this.#arena.retire(before);
  }

  #chainOf(head: number): number[] {
    const chain: number[] = [];
    for (let at = head; at !== 0; at = this.#arena.words[(at + ENTRY_NEXT) >>> 2] ?? 0) {
      chain.push(at);
    }
    return chain;
  }

  /** Takes what an old entry's addresses led back to, unless the one in its place has it, too. */
  #removeBackNames(entry: number): void {
    const { bytes } = this.#arena;
    const start = entry + ENTRY_HEADER_BYTES;
    const wire = bytes.slice(start, start + (bytes[entry + ENTRY_NAME_BYTES] ?? 0));
    const current = this.#find(bytes[start - 1] ?? 0, wire);
    const still = new Set<string>();
    const keyOf = (address: Uint8Array, { isService }: BackName) =>
      `${address.toHex()} ${isService}`;
    if (current !== 0 && current !== entry) {
      this.#eachBackName(current, (_, address, name) => still.add(keyOf(address, name)));
    }
    this.#eachBackName(entry, (tree, address, name) => {
      if (!still.has(keyOf(address, name))) tree.remove(address, name);
    });
  }

  #eachBackName(
    entry: number,
    act: (tree: AddressTreeWriter, address: Uint8Array, name: BackName) => void,
  ): void {
    const { bytes } = this.#arena;
    const flags = bytes[entry + ENTRY_FLAGS] ?? 0;
    if ((flags & (REVERSE_SERVICE | REVERSE_ENDPOINT)) === 0) return;
    const start = entry + ENTRY_HEADER_BYTES;
    const name = {
      isService: (flags & REVERSE_SERVICE) !== 0,
      name: bytes.slice(start, start + (bytes[entry + ENTRY_NAME_BYTES] ?? 0)),
    };
    for (const [type, octets, tree] of [
      [TYPE.A, 4, this.#tree4],
      [TYPE.AAAA, 16, this.#tree6],
    ] as const) {
      if (!this.#reader.rrset(entry, type, this.#rrset)) continue;
      for (let index = 0; index < this.#rrset.count; index += 1) {
        const at = this.#rrset.start + index * octets;
        act(tree, bytes.slice(at, at + octets), name);
      }
    }
  }
}
