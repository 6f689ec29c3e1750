import { RCODE } from '../wire/constants.ts';

const RCODES = Object.values(RCODE);
const DROPPED = RCODES.length;
const SLOTS = RCODES.length + 1;

/**
 * What one thread did, in memory that others may read: each slot has one writer, so nothing needs
 * to be atomic, and counts are exact up to 2^53.
 */
export class Counters {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Float64Array;

  constructor(memory = new SharedArrayBuffer(SLOTS * 8)) {
    this.memory = memory;
    this.#slots = new Float64Array(memory);
  }

  /** Counts an answer. */
  answered(rcode: number): void {
    const slot = (RCODES as readonly number[]).indexOf(rcode);
    this.#slots[slot] = (this.#slots[slot] ?? 0) + 1;
  }

  /** Datagrams the kernel dropped because nobody was fast enough. */
  setDropped(count: number): void {
    this.#slots[DROPPED] = count;
  }

  get dropped(): number {
    return this.#slots[DROPPED] ?? 0;
  }

  /** Answers by response code. */
  byRcode(): ReadonlyMap<number, number> {
    return new Map(RCODES.map((rcode, slot) => [rcode, this.#slots[slot] ?? 0]));
  }
}
