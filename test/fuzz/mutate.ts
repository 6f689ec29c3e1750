import type { Random } from './random.ts';

const EDITS_MAX = 4;

/** A copy of `bytes` with a few things wrong with it: lengths above all. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated: Uint8Array = bytes.slice();
  // Mostly one: an answer with more wrong with it is refused before it is looked into.
  const edits = random.below(3) > 0 ? 1 : 1 + random.below(EDITS_MAX);
  for (let edit = 0; edit < edits && mutated.length > 0; edit += 1) {
    mutated = random.of(EDITS)(random, mutated);
  }
  return mutated;
}

const EDITS: readonly ((random: Random, bytes: Uint8Array) => Uint8Array)[] = [
  // Any byte.
  (random, bytes) => {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  // Lengths and numbers of attributes are 16 bits at multiples of 2.
  (random, bytes) => {
    const at = random.below(bytes.length) & ~1;
    const value = random.of([0, 1, 3, 4, 5, 8, 0x7fff, 0x8000, 0xffff, random.below(64)]);
    bytes[at] = value & 255;
    if (at + 1 < bytes.length) bytes[at + 1] = value >> 8;
    return bytes;
  },
  // The length of a message.
  (random, bytes) => {
    const value = random.of([0, 15, 16, 17, 0xffffffff, 0x80000000, bytes.length + 1]);
    if (bytes.length >= 4) new DataView(bytes.buffer).setUint32(0, value, true);
    return bytes;
  },
  // The end is missing.
  (random, bytes) => bytes.slice(0, random.below(bytes.length)),
  // A piece comes from somewhere else.
  (random, bytes) => {
    const from = random.below(bytes.length);
    const length = random.below(Math.min(64, bytes.length - from));
    bytes.set(bytes.slice(from, from + length), random.below(bytes.length - length));
    return bytes;
  },
];
