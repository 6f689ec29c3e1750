import { nameBytes } from '../message/message.ts';
import { HEADER_BYTES, TYPE } from '../wire/constants.ts';
import { hashName } from '../wire/name.ts';
import {
  ANSWER_BYTES_MAX,
  FLAG_KEEP_TTL,
  HEADER_ARENA_WORDS,
  HEADER_SLOTS,
  HEADER_WORDS,
  KEY_CD,
  KEY_DO,
  PROBE_SLOTS,
  SHARED_MAGIC,
  SLOT_ANSWER_BYTES,
  SLOT_FLAGS,
  SLOT_HASH,
  SLOT_HITS,
  SLOT_KEY_BYTES,
  SLOT_ROTATE_BYTES,
  SLOT_ROTATE_COUNT,
  SLOT_ROTATE_START,
  SLOT_START,
  SLOT_STORED,
  SLOT_UNTIL,
  SLOT_VERSION,
  SLOT_WORDS,
  wordsOf,
} from './shared-layout.ts';

const SLOTS_DEFAULT = 32_768;
const ARENA_BYTES_DEFAULT = 8 << 20;

/** What an answer is found by. */
export interface SharedKey {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

/** How long and how an answer may be given to others. */
export interface SharedPutOptions {
  readonly nowMs: number;
  readonly untilMs: number;
  /** TTLs are given as they are instead of counting down from now. */
  readonly keepsTtl: boolean;
  /** Another record first each time. */
  readonly rotates: boolean;
}

/** How much a SharedCache holds. */
export interface SharedCacheSize {
  /** Answers; a power of 2. */
  readonly slots: number;
  readonly arenaBytes: number;
}

/** Where answers go that threads may give. */
export interface SharedWriter {
  /** Keeps an answer: `wire` is without an OPT record. */
  put(key: SharedKey, wire: Uint8Array, options: SharedPutOptions): void;
  /** How often threads gave the answer since this was last called. */
  takeHits(key: SharedKey): number;
}

/** Keeps the same in several caches: those of all servers a block stands behind. */
export function writeToAll(caches: readonly SharedWriter[]): SharedWriter {
  return {
    put(key, wire, options) {
      for (const each of caches) each.put(key, wire, options);
    },
    takeHits: (key) => caches.reduce((sum, each) => sum + each.takeHits(key), 0),
  };
}

/** The writing side, of which there is one: answers the threads may give without asking anybody. */
export class SharedCache implements SharedWriter {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #slots: number;
  readonly #arenaStart: number;
  readonly #arenaWords: number;
  /** Where the next entry goes. */
  #head = 0;
  /** Slots by where their entries begin, in the order of the ring. */
  readonly #entries = new Map<number, number>();

  constructor(size: SharedCacheSize = { slots: SLOTS_DEFAULT, arenaBytes: ARENA_BYTES_DEFAULT }) {
    this.#slots = size.slots;
    this.#arenaWords = wordsOf(size.arenaBytes);
    this.#arenaStart = HEADER_WORDS + size.slots * SLOT_WORDS;
    this.memory = new SharedArrayBuffer((this.#arenaStart + this.#arenaWords) * 4);
    this.#words = new Int32Array(this.memory);
    Atomics.store(this.#words, HEADER_SLOTS, size.slots);
    Atomics.store(this.#words, HEADER_ARENA_WORDS, this.#arenaWords);
    Atomics.store(this.#words, 0, SHARED_MAGIC);
  }

  /**
   * Keeps an answer: `wire` is without an OPT record. An answer that is too large is not kept. What is
   * longest in the arena makes room.
   */
  put(key: SharedKey, wire: Uint8Array, options: SharedPutOptions): void {
    this.remove(key);
    if (wire.length < HEADER_BYTES || wire.length > ANSWER_BYTES_MAX) return;
    const keyBytes = encodeKey(key);
    const hash = hashName(keyBytes, 0, keyBytes.length) | 0;
    const bytes = new Uint8Array(wordsOf(keyBytes.length + wire.length) * 4);
    bytes.set(keyBytes);
    bytes.set(wire, keyBytes.length);
    const entry = new Int32Array(bytes.buffer);
    const start = this.#makeRoom(entry.length);
    const index = this.#freeSlot(hash);
    const slot = this.#slot(index);
    const words = this.#words;
    const rotation = options.rotates ? rotatable(wire) : undefined;
    const version = Atomics.load(words, slot + SLOT_VERSION);
    Atomics.store(words, slot + SLOT_VERSION, version | 1);
    this.#entries.set(start, index);
    entry.forEach((word, at) => {
      Atomics.store(words, this.#arenaStart + start + at, word);
    });
    Atomics.store(words, slot + SLOT_HASH, hash);
    Atomics.store(words, slot + SLOT_START, start);
    Atomics.store(words, slot + SLOT_KEY_BYTES, keyBytes.length);
    Atomics.store(words, slot + SLOT_ANSWER_BYTES, wire.length);
    Atomics.store(words, slot + SLOT_STORED, Math.floor(options.nowMs / 1000));
    Atomics.store(words, slot + SLOT_UNTIL, Math.floor(options.untilMs / 1000));
    Atomics.store(words, slot + SLOT_FLAGS, options.keepsTtl ? FLAG_KEEP_TTL : 0);
    Atomics.store(words, slot + SLOT_HITS, 0);
    Atomics.store(words, slot + SLOT_ROTATE_START, rotation?.start ?? 0);
    Atomics.store(words, slot + SLOT_ROTATE_BYTES, rotation?.recordBytes ?? 0);
    Atomics.store(words, slot + SLOT_ROTATE_COUNT, rotation?.count ?? 0);
    Atomics.store(words, slot + SLOT_VERSION, (version | 1) + 1);
  }

  /** Takes an answer away, if it is there. */
  remove(key: SharedKey): void {
    const index = this.#find(key);
    if (index >= 0) this.#clear(index);
  }

  /** Takes everything away. */
  clear(): void {
    for (let index = 0; index < this.#slots; index += 1) {
      if (this.#isTaken(index)) this.#clear(index);
    }
  }

  /** How often threads gave the answer since this was last called. */
  takeHits(key: SharedKey): number {
    const index = this.#find(key);
    return index < 0 ? 0 : Atomics.exchange(this.#words, this.#slot(index) + SLOT_HITS, 0);
  }

  /** How many answers there are. */
  get size(): number {
    let count = 0;
    for (let index = 0; index < this.#slots; index += 1) if (this.#isTaken(index)) count += 1;
    return count;
  }

  #slot(index: number): number {
    return HEADER_WORDS + index * SLOT_WORDS;
  }

  #isTaken(index: number): boolean {
    return Atomics.load(this.#words, this.#slot(index) + SLOT_ANSWER_BYTES) > 0;
  }

  #clear(index: number): void {
    const slot = this.#slot(index);
    const version = Atomics.load(this.#words, slot + SLOT_VERSION);
    Atomics.store(this.#words, slot + SLOT_VERSION, version | 1);
    Atomics.store(this.#words, slot + SLOT_ANSWER_BYTES, 0);
    Atomics.store(this.#words, slot + SLOT_VERSION, (version | 1) + 1);
  }

  #find(key: SharedKey): number {
    const bytes = encodeKey(key);
    const hash = hashName(bytes, 0, bytes.length) | 0;
    for (let probe = 0; probe < PROBE_SLOTS; probe += 1) {
      const index = (hash + probe) & (this.#slots - 1);
      const slot = this.#slot(index);
      if (Atomics.load(this.#words, slot + SLOT_HASH) !== hash || !this.#isTaken(index)) continue;
      if (Atomics.load(this.#words, slot + SLOT_KEY_BYTES) !== bytes.length) continue;
      if (this.#hasKey(slot, bytes)) return index;
    }
    return -1;
  }

  #hasKey(slot: number, key: Uint8Array): boolean {
    const start = Atomics.load(this.#words, slot + SLOT_START);
    const at = (this.#arenaStart + start) * 4;
    // Only this thread writes, so it may read its own writes plainly.
    const own = new Uint8Array(this.memory, at, key.length);
    return key.every((octet, index) => own[index] === octet);
  }

  /** A free slot for the hash, or the one of its slots that was stored first. */
  #freeSlot(hash: number): number {
    let oldest = -1;
    let oldestStored = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < PROBE_SLOTS; probe += 1) {
      const index = (hash + probe) & (this.#slots - 1);
      if (!this.#isTaken(index)) return index;
      const stored = Atomics.load(this.#words, this.#slot(index) + SLOT_STORED);
      if (stored < oldestStored) [oldest, oldestStored] = [index, stored];
    }
    this.#clear(oldest);
    return oldest;
  }

  /** Where `count` words are free; entries in the way are cleared before a word is written. */
  #makeRoom(count: number): number {
    if (this.#head + count > this.#arenaWords) {
      this.#evict(this.#head, this.#arenaWords);
      this.#head = 0;
    }
    const start = this.#head;
    this.#evict(start, start + count);
    this.#head = start + count;
    return start;
  }

  /** Clears every slot whose entry begins from `from` up to `to`: the ring's oldest. */
  #evict(from: number, to: number): void {
    for (const [start, index] of this.#entries) {
      if (start < from || start >= to) return;
      this.#entries.delete(start);
      const isStillThere = Atomics.load(this.#words, this.#slot(index) + SLOT_START) === start;
      if (isStillThere && this.#isTaken(index)) this.#clear(index);
    }
  }
}

function encodeKey(key: SharedKey): Uint8Array {
  const name = nameBytes(key.name.toLowerCase());
  const bytes = new Uint8Array(name.length + 5);
  bytes.set(name);
  const rest = new DataView(bytes.buffer, name.length);
  rest.setUint16(0, key.type);
  rest.setUint16(2, key.class);
  rest.setUint8(4, (key.dnssecOk ? KEY_DO : 0) | (key.checkingDisabled ? KEY_CD : 0));
  return bytes;
}

/** Where the address records stand at the end of the answer section, when they are all alike. */
function rotatable(
  wire: Uint8Array,
): { readonly start: number; readonly recordBytes: number; readonly count: number } | undefined {
  const view = new DataView(wire.buffer, wire.byteOffset, wire.byteLength);
  let at = skipName(wire, HEADER_BYTES) + 4;
  let found: { start: number; recordBytes: number; count: number } | undefined;
  for (let index = 0; index < view.getUint16(6); index += 1) {
    const owner = skipName(wire, at);
    const end = owner + 10 + view.getUint16(owner + 8);
    const type = view.getUint16(owner);
    if (type === TYPE.A || type === TYPE.AAAA) {
      // Records may change places when their owners are written alike: as the same pointer.
      const isLike =
        found !== undefined &&
        found.recordBytes === end - at &&
        owner - at === 2 &&
        view.getUint16(at) === view.getUint16(found.start);
      if (found === undefined) found = { start: at, recordBytes: end - at, count: 1 };
      else if (isLike) found.count += 1;
      else return undefined;
    } else if (found !== undefined) {
      return undefined;
    }
    at = end;
  }
  return found;
}

function skipName(bytes: Uint8Array, start: number): number {
  for (let at = start; ; ) {
    const size = bytes[at] ?? 0;
    if (size >= 0xc0) return at + 2;
    at += size + 1;
    if (size === 0) return at;
  }
}
