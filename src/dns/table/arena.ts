import { PodwireError } from '../../errors.ts';
import { BLOCKS_START, HEADER, MAGIC, READERS_MAX, READERS_WORD } from './format.ts';

/**
 * Address space for a table; only what is used costs memory. A hundred thousand Services take an
 * eighth of it.
 */
export const TABLE_BYTES_MAX = 256 << 20;

/** Up to here blocks are a multiple of 8 long, beyond of an eighth of their power of two. */
const SMALL_BYTES_MAX = 512;

/** The table is larger than it may be. */
export class TableFullError extends PodwireError {
  constructor(sizeBytes: number) {
    super('ERR_DNS_TABLE_FULL', `the DNS table has its ${sizeBytes} bytes in use`);
  }
}

interface Retired {
  readonly offset: number;
  readonly generation: number;
}

/**
 * Blocks of shared memory for a table that is read while it is written. A block that nothing leads
 * to any more is used again only when every reader has begun anew since: readers say from which
 * generation they read, and a block retired in one is free when none reads from it or before.
 */
export class Arena {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  #end = BLOCKS_START;
  #usedBytes = 0;
  readonly #free = new Map<number, number[]>();
  #retired: Retired[] = [];

  constructor(sizeBytes = TABLE_BYTES_MAX) {
    this.memory = new SharedArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(this.memory);
    this.words = new Uint32Array(this.memory);
    this.words[HEADER.MAGIC] = MAGIC;
    this.words[HEADER.GENERATION] = 1;
  }

  /** Bytes in blocks that are in use or not yet free. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Gives the offset of a block of zeros with its length in front. Throws TableFullError. */
  allocate(lengthBytes: number): number {
    const size = roundUp(lengthBytes);
    let offset = this.#free.get(size)?.pop();
    if (offset === undefined) {
      if (this.#end + size > this.memory.byteLength) {
        throw new TableFullError(this.memory.byteLength);
      }
      offset = this.#end;
      this.#end += size;
    } else {
      this.bytes.fill(0, offset, offset + size);
    }
    this.words[offset >>> 2] = lengthBytes;
    this.#usedBytes += size;
    return offset;
  }

  /** A block with the contents of `block`, whose first word is kept for the length. */
  store(block: Uint8Array): number {
    const offset = this.allocate(block.length);
    this.bytes.set(block.subarray(4), offset + 4);
    return offset;
  }

  /** Gives back a block to which nothing leads any more. */
  retire(offset: number): void {
    this.#retired.push({ offset, generation: this.words[HEADER.GENERATION] ?? 0 });
  }

  /** Gives back a block that never was reachable. */
  discard(offset: number): void {
    const size = roundUp(this.words[offset >>> 2] ?? 0);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [offset]);
    else free.push(offset);
    this.#usedBytes -= size;
  }

  /** Begins the next generation and frees what no reader can see. */
  publish(): void {
    Atomics.add(this.words, HEADER.GENERATION, 1);
    if (this.#retired.length === 0) return;
    let oldest = Number.MAX_SAFE_INTEGER;
    for (let reader = 0; reader < READERS_MAX; reader += 1) {
      const generation = Atomics.load(this.words, READERS_WORD + reader);
      if (generation !== 0 && generation < oldest) oldest = generation;
    }
    const kept: Retired[] = [];
    for (const retired of this.#retired) {
      if (retired.generation < oldest) this.discard(retired.offset);
      else kept.push(retired);
    }
    this.#retired = kept;
  }
}

function roundUp(lengthBytes: number): number {
  if (lengthBytes <= SMALL_BYTES_MAX) return (lengthBytes + 7) & ~7;
  const step = Math.max(8, 1 << (28 - Math.clz32(lengthBytes)));
  return Math.ceil(lengthBytes / step) * step;
}
