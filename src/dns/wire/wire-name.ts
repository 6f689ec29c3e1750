import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './constants.ts';

/** A name read from a message: in lower case, with where its labels begin. Used again for the next. */
export class WireName {
  readonly bytes = new Uint8Array(NAME_BYTES_MAX);
  /** The length with the root's zero octet. */
  length = 0;
  /** Where each label begins in `bytes`, without the root. */
  readonly labels = new Uint8Array(128);
  labelCount = 0;

  /**
   * Reads the uncompressed name at `message[start..end]`; gives the offset after it, or -1 when there
   * is none: a question has no name before it that a pointer could lead to.
   */
  read(message: Uint8Array, start: number, end: number): number {
    const { bytes, labels } = this;
    let at = start;
    let count = 0;
    while (at < end) {
      const size = message[at] ?? 0;
      const offset = at - start;
      if (size > LABEL_BYTES_MAX || offset + size + 1 > NAME_BYTES_MAX) return -1;
      bytes[offset] = size;
      if (size === 0) {
        this.length = offset + 1;
        this.labelCount = count;
        return at + 1;
      }
      if (at + 1 + size > end) return -1;
      labels[count] = offset;
      count += 1;
      for (let next = 1; next <= size; next += 1) {
        const octet = message[at + next] ?? 0;
        bytes[offset + next] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
      }
      at += size + 1;
    }
    return -1;
  }

  /** Whether a label, or the root, begins at `offset`. */
  isBoundary(offset: number): boolean {
    if (offset === this.length - 1) return true;
    for (let index = 0; index < this.labelCount; index += 1) {
      if (this.labels[index] === offset) return true;
    }
    return false;
  }

  /** Whether the name is `other`, a wire name in lower case, or below it. */
  isWithin(other: Uint8Array): boolean {
    const start = this.length - other.length;
    if (start < 0) return false;
    for (let at = 0; at < other.length; at += 1) {
      if (this.bytes[start + at] !== other[at]) return false;
    }
    return this.isBoundary(start);
  }
}

/** The offset after the name at `bytes[start..end]`, or -1. A pointer ends it and is not followed. */
export function skipName(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; ) {
    const size = bytes[at] ?? 0;
    if (size === 0) return at + 1;
    if (size >= 0xc0) return at + 2 <= end ? at + 2 : -1;
    if (size > LABEL_BYTES_MAX || at + size + 1 - start > NAME_BYTES_MAX) return -1;
    at += size + 1;
  }
  return -1;
}
