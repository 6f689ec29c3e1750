import { ORIGIN_BYTES, type UdpBatchSocket } from '../../sys/udp-batch.ts';

/** Queries of one thread that may wait for the main thread; more are dropped, and counted. */
const QUEUE_LENGTH_MAX = 512;
/** A longer query is answered by the thread itself, as if there were nobody to ask. */
export const HANDOVER_BYTES_MAX = 1024;
const SLOT_BYTES = 4 + ORIGIN_BYTES + HANDOVER_BYTES_MAX;

const HEAD = 0;
const TAIL = 1;
/** Not 0 while the main thread has been told and has not looked yet. */
const TOLD = 2;
const SLOTS_START = 64;

/** A query as it was handed over. */
export interface Handed {
  readonly request: Uint8Array;
  /** For `readOrigin` and UdpReplySender. */
  readonly origin: Uint8Array;
}

/**
 * A queue from one UDP thread to the main thread, in shared memory: one writes, one reads, nobody
 * waits. What finds it full is dropped, the newest first; the client will ask again.
 */
export class HandoverQueue {
  readonly memory: SharedArrayBuffer;
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory = new SharedArrayBuffer(SLOTS_START + QUEUE_LENGTH_MAX * SLOT_BYTES)) {
    this.memory = memory;
    this.#control = new Int32Array(memory, 0, SLOTS_START / 4);
    this.#bytes = new Uint8Array(memory);
  }

  /** Puts request `index` of a batch into the queue. Gives false when there is no room. */
  push(udp: UdpBatchSocket, index: number): boolean {
    const tail = Atomics.load(this.#control, TAIL);
    const waiting = (tail - Atomics.load(this.#control, HEAD)) | 0;
    const length = udp.requestLength(index);
    if (waiting >= QUEUE_LENGTH_MAX || length > HANDOVER_BYTES_MAX) return false;
    const at = slotAt(tail);
    this.#bytes[at] = length & 255;
    this.#bytes[at + 1] = length >>> 8;
    udp.copyOrigin(index, this.#bytes, at + 4);
    const request = udp.requestBuffer(index);
    const start = at + 4 + ORIGIN_BYTES;
    for (let octet = 0; octet < length; octet += 1) {
      this.#bytes[start + octet] = request[octet] ?? 0;
    }
    Atomics.store(this.#control, TAIL, (tail + 1) | 0);
    return true;
  }

  /** Whether the main thread has to be told that there is something: once until it looks. */
  mustTell(): boolean {
    return Atomics.exchange(this.#control, TOLD, 1) === 0;
  }

  /** Says that the main thread looks now: what comes later must be told again. */
  look(): void {
    Atomics.store(this.#control, TOLD, 0);
  }

  /** The oldest query, as a copy; undefined when there is none. */
  shift(): Handed | undefined {
    const head = Atomics.load(this.#control, HEAD);
    if (head === Atomics.load(this.#control, TAIL)) return undefined;
    const at = slotAt(head);
    const length = (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8);
    const start = at + 4 + ORIGIN_BYTES;
    // Copies, for the slot is the thread's again, and shared memory is not for everybody.
    const origin = Uint8Array.from(this.#bytes.subarray(at + 4, start));
    const request = Uint8Array.from(this.#bytes.subarray(start, start + length));
    Atomics.store(this.#control, HEAD, (head + 1) | 0);
    return { request, origin };
  }
}

function slotAt(position: number): number {
  return SLOTS_START + (position & (QUEUE_LENGTH_MAX - 1)) * SLOT_BYTES;
}
