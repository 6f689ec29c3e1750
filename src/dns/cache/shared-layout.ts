/*
 * Answers in memory that every thread reads and only the main thread writes. All of it is 32-bit words
 * read and written by Atomics, so whatever order words are seen in is the order of writing.
 *
 *   header  magic, slots (a power of 2), words of the arena
 *   slots   SLOT_WORDS each: see below
 *   arena   a ring of entries: the key and the answer, padded to words
 *
 * A slot's version is odd while the slot is written. The writer makes it odd before it touches the
 * slot or the entry's words in the arena, and even, two higher, afterwards. A reader copies the entry
 * between two looks at the version: the same even one twice means the copy is whole.
 */

export const SHARED_MAGIC = 0x53445750;
export const HEADER_WORDS = 4;
export const HEADER_SLOTS = 1;
export const HEADER_ARENA_WORDS = 2;

export const SLOT_WORDS = 12;
export const SLOT_VERSION = 0;
/** Hash of the key; the slot is free when the entry's length is 0. */
export const SLOT_HASH = 1;
/** Where the entry begins, in words of the arena. */
export const SLOT_START = 2;
/** Bytes of the key, and of the answer after it. */
export const SLOT_KEY_BYTES = 3;
export const SLOT_ANSWER_BYTES = 4;
/** Seconds since 1970: stored at, good until. */
export const SLOT_STORED = 5;
export const SLOT_UNTIL = 6;
export const SLOT_FLAGS = 7;
/** Answers given; the only word readers write. */
export const SLOT_HITS = 8;
/** The records that may be rotated: where they begin in the answer, bytes of each, how many. */
export const SLOT_ROTATE_START = 9;
export const SLOT_ROTATE_BYTES = 10;
export const SLOT_ROTATE_COUNT = 11;

export const FLAG_KEEP_TTL = 1;

/** Slots after the hash's own that are looked at. */
export const PROBE_SLOTS = 8;
/** A larger answer goes through the main thread. */
export const ANSWER_BYTES_MAX = 1232;
/** Name, type, class, and a byte for DO and CD. */
export const KEY_BYTES_MAX = 255 + 5;
export const KEY_DO = 1;
export const KEY_CD = 2;

/** Words that hold so many bytes. */
export function wordsOf(bytes: number): number {
  return (bytes + 3) >>> 2;
}
