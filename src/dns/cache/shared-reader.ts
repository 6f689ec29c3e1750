import type { SharedAnswers } from '../server/fallback.ts';
import { HEADER_BYTES, LABEL_BYTES_MAX, NAME_BYTES_MAX, TYPE } from '../wire/constants.ts';
import { hashName } from '../wire/name.ts';
import {
  ANSWER_BYTES_MAX,
  FLAG_KEEP_TTL,
  HEADER_ARENA_WORDS,
  HEADER_SLOTS,
  HEADER_WORDS,
  KEY_BYTES_MAX,
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

const OPT_BYTES = 11;
const OPT_SIZE_BYTES = 1232;
const EDNS_CLIENT_SUBNET = 8;
const ENTRY_BYTES_MAX = KEY_BYTES_MAX + ANSWER_BYTES_MAX;

/**
 * Opens the memory of a SharedCache for one thread. It answers plain queries: opcode 0, one question,
 * at most an OPT record of version 0 without a client's subnet; for everything else it has nothing.
 * Throws RangeError when the memory is no SharedCache.
 */
export function openSharedAnswers(memory: SharedArrayBuffer): SharedAnswers {
  return new SharedReader(memory);
}

class SharedReader implements SharedAnswers {
  readonly #words: Int32Array;
  readonly #slotMask: number;
  readonly #arenaStart: number;
  readonly #arenaWords: number;
  /** A private copy of an entry, as words and as bytes. */
  readonly #copy = new Int32Array(wordsOf(ENTRY_BYTES_MAX));
  readonly #bytes = new Uint8Array(this.#copy.buffer);
  readonly #key = new Uint8Array(KEY_BYTES_MAX);
  #turn = 0;
  // What was read of the query.
  #questionEnd = 0;
  #keyBytes = 0;
  #hasEdns = false;
  #dnssecOk = false;
  #wantsAd = false;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    if (Atomics.load(this.#words, 0) !== SHARED_MAGIC) throw new RangeError('no shared answers');
    const slots = Atomics.load(this.#words, HEADER_SLOTS);
    this.#slotMask = slots - 1;
    this.#arenaStart = HEADER_WORDS + slots * SLOT_WORDS;
    this.#arenaWords = Atomics.load(this.#words, HEADER_ARENA_WORDS);
  }

  answer(request: Uint8Array, length: number, reply: Uint8Array, limitBytes: number): number {
    if (!this.#readQuery(request, length)) return 0;
    const hash = hashName(this.#key, 0, this.#keyBytes) | 0;
    const nowSeconds = Math.floor(Date.now() / 1000);
    for (let probe = 0; probe < PROBE_SLOTS; probe += 1) {
      const slot = HEADER_WORDS + ((hash + probe) & this.#slotMask) * SLOT_WORDS;
      const size = this.#read(slot, hash, nowSeconds, request, reply, limitBytes);
      if (size > 0) return size;
    }
    return 0;
  }

  /** Answers from one slot; 0 when it holds something else or changes meanwhile. */
  #read(
    slot: number,
    hash: number,
    nowSeconds: number,
    request: Uint8Array,
    reply: Uint8Array,
    limitBytes: number,
  ): number {
    const words = this.#words;
    const version = Atomics.load(words, slot + SLOT_VERSION);
    if ((version & 1) !== 0 || Atomics.load(words, slot + SLOT_HASH) !== hash) return 0;
    const keyBytes = Atomics.load(words, slot + SLOT_KEY_BYTES);
    const answerBytes = Atomics.load(words, slot + SLOT_ANSWER_BYTES);
    if (keyBytes !== this.#keyBytes || answerBytes < HEADER_BYTES) return 0;
    if (answerBytes > ANSWER_BYTES_MAX) return 0;
    const stored = Atomics.load(words, slot + SLOT_STORED);
    const until = Atomics.load(words, slot + SLOT_UNTIL);
    const flags = Atomics.load(words, slot + SLOT_FLAGS);
    const rotateStart = Atomics.load(words, slot + SLOT_ROTATE_START);
    const rotateBytes = Atomics.load(words, slot + SLOT_ROTATE_BYTES);
    const rotateCount = Atomics.load(words, slot + SLOT_ROTATE_COUNT);
    // The words may be of two entries, so they are not trusted before the second look.
    const start = Atomics.load(words, slot + SLOT_START);
    const count = wordsOf(keyBytes + answerBytes);
    if (start < 0 || start + count > this.#arenaWords) return 0;
    const from = this.#arenaStart + start;
    for (let index = 0; index < count; index += 1) {
      this.#copy[index] = Atomics.load(words, from + index);
    }
    if (Atomics.load(words, slot + SLOT_VERSION) !== version) return 0;

    // A clock that was set back makes answers of the future: those are not used.
    if (nowSeconds < stored || nowSeconds >= until) return 0;
    for (let index = 0; index < keyBytes; index += 1) {
      if (this.#bytes[index] !== this.#key[index]) return 0;
    }
    const total = answerBytes + (this.#hasEdns ? OPT_BYTES : 0);
    if (total > limitBytes || total > reply.length) return 0;
    this.#write(request, reply, keyBytes, answerBytes);
    if (rotateCount > 1) this.#rotate(reply, keyBytes, rotateStart, rotateBytes, rotateCount);
    if ((flags & FLAG_KEEP_TTL) === 0) this.#age(reply, answerBytes, nowSeconds - stored);
    Atomics.add(words, slot + SLOT_HITS, 1);
    return total;
  }

  #write(request: Uint8Array, reply: Uint8Array, keyBytes: number, answerBytes: number): void {
    const bytes = this.#bytes;
    for (let index = HEADER_BYTES; index < answerBytes; index += 1) {
      reply[index] = bytes[keyBytes + index] ?? 0;
    }
    for (let index = 4; index < HEADER_BYTES; index += 1) {
      reply[index] = bytes[keyBytes + index] ?? 0;
    }
    // The id, RD, CD and the question are the asker's; AD is for those who asked for it.
    reply[0] = request[0] ?? 0;
    reply[1] = request[1] ?? 0;
    reply[2] = ((bytes[keyBytes + 2] ?? 0) & 0xfe) | ((request[2] ?? 0) & 0x01);
    const keptFlags = this.#wantsAd ? 0xaf : 0x8f;
    reply[3] = ((bytes[keyBytes + 3] ?? 0) & keptFlags) | ((request[3] ?? 0) & 0x10);
    for (let index = HEADER_BYTES; index < this.#questionEnd; index += 1) {
      reply[index] = request[index] ?? 0;
    }
    if (!this.#hasEdns) return;
    reply[10] = 0;
    const additional = ((bytes[keyBytes + 10] ?? 0) << 8) + (bytes[keyBytes + 11] ?? 0) + 1;
    reply[10] = additional >> 8;
    reply[11] = additional & 0xff;
    let at = answerBytes;
    reply[at++] = 0;
    reply[at++] = 0;
    reply[at++] = TYPE.OPT;
    reply[at++] = OPT_SIZE_BYTES >> 8;
    reply[at++] = OPT_SIZE_BYTES & 0xff;
    reply[at++] = 0;
    reply[at++] = 0;
    reply[at++] = this.#dnssecOk ? 0x80 : 0;
    reply[at++] = 0;
    reply[at++] = 0;
    reply[at] = 0;
  }

  #rotate(
    reply: Uint8Array,
    keyBytes: number,
    start: number,
    recordBytes: number,
    count: number,
  ): void {
    this.#turn = (this.#turn + 1) & 0x3fff_ffff;
    const skip = (this.#turn % count) * recordBytes;
    const size = recordBytes * count;
    for (let index = 0; index < size; index += 1) {
      const from = index + skip < size ? index + skip : index + skip - size;
      reply[start + index] = this.#bytes[keyBytes + start + from] ?? 0;
    }
  }

  /** Takes the age off every TTL. */
  #age(reply: Uint8Array, end: number, ageSeconds: number): void {
    for (let at = this.#questionEnd; at < end; ) {
      while (at < end) {
        const size = reply[at] ?? 0;
        if (size >= 0xc0) {
          at += 2;
          break;
        }
        at += size + 1;
        if (size === 0) break;
      }
      const ttl =
        (((reply[at + 4] ?? 0) << 24) |
          ((reply[at + 5] ?? 0) << 16) |
          ((reply[at + 6] ?? 0) << 8) |
          (reply[at + 7] ?? 0)) -
        ageSeconds;
      const left = Math.max(ttl, 0);
      reply[at + 4] = left >>> 24;
      reply[at + 5] = (left >>> 16) & 0xff;
      reply[at + 6] = (left >>> 8) & 0xff;
      reply[at + 7] = left & 0xff;
      at += 10 + (((reply[at + 8] ?? 0) << 8) | (reply[at + 9] ?? 0));
    }
  }

  /** Makes the key of a plain query; false for any other. */
  #readQuery(request: Uint8Array, length: number): boolean {
    if (length < HEADER_BYTES + 5) return false;
    // No answer, opcode 0, not truncated; one question, no answers, no authority.
    if (((request[2] ?? 0) & 0xfa) !== 0) return false;
    if (u16(request, 4) !== 1 || u16(request, 6) !== 0 || u16(request, 8) !== 0) return false;
    let at = HEADER_BYTES;
    let size = 0;
    do {
      size = request[at] ?? 0;
      const offset = at - HEADER_BYTES;
      if (size > LABEL_BYTES_MAX || offset + size + 1 > NAME_BYTES_MAX) return false;
      if (at + 1 + size > length) return false;
      this.#key[offset] = size;
      for (let next = 1; next <= size; next += 1) {
        const octet = request[at + next] ?? 0;
        this.#key[offset + next] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
      }
      at += size + 1;
    } while (size > 0);
    if (at + 4 > length) return false;
    const nameBytes = at - HEADER_BYTES;
    for (let index = 0; index < 4; index += 1) {
      this.#key[nameBytes + index] = request[at + index] ?? 0;
    }
    this.#questionEnd = at + 4;
    if (!this.#readEdns(request, at + 4, length)) return false;
    const flags = request[3] ?? 0;
    this.#wantsAd = this.#dnssecOk || (flags & 0x20) !== 0;
    const checkingDisabled = (flags & 0x10) !== 0;
    this.#key[nameBytes + 4] = (this.#dnssecOk ? KEY_DO : 0) | (checkingDisabled ? KEY_CD : 0);
    this.#keyBytes = nameBytes + 5;
    return true;
  }

  #readEdns(request: Uint8Array, start: number, length: number): boolean {
    this.#hasEdns = false;
    this.#dnssecOk = false;
    const additional = u16(request, 10);
    if (additional === 0) return start === length;
    if (additional !== 1 || start + OPT_BYTES > length || request[start] !== 0) return false;
    if (u16(request, start + 1) !== TYPE.OPT || request[start + 6] !== 0) return false;
    const end = start + OPT_BYTES + u16(request, start + 9);
    if (end !== length) return false;
    for (let at = start + OPT_BYTES; at < end; at += 4 + u16(request, at + 2)) {
      if (at + 4 > end || u16(request, at) === EDNS_CLIENT_SUBNET) return false;
    }
    this.#hasEdns = true;
    this.#dnssecOk = ((request[start + 7] ?? 0) & 0x80) !== 0;
    return true;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
