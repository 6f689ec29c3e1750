import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { limitArenas, trimArenas } from '../sys/malloc.ts';
import type { Logger } from './log.ts';

/** How often it looks. */
const INTERVAL_MS = 2_000;
/** What grew by less is not worth a stop of the main thread. */
const GROWTH_BYTES_MIN = 16 << 20;
const GROWTH_RATIO_MIN = 1.15;
/** How long the memory of a process that works may stay as it is. */
const REST_MS = 60_000;
/** Two looks between which it changed by less are of a process at rest. */
const UNREST_BYTES = 1 << 20;
const ARENAS = 2;

/** What is asked of the process. */
export interface ProcessMemory {
  /** Resident, in bytes. */
  size(): number;
  /** Gives back what is free. Stops the thread for some milliseconds for each ten megabytes in use. */
  giveBack(): void;
}

/**
 * Gives memory back to the kernel after it was needed for a while: to start, and to read a large cluster. V8
 * and malloc keep what they once had, and that is half of what a process has after it read ten thousand
 * Services.
 */
export class MemoryKeeper implements Disposable {
  readonly #memory: ProcessMemory;
  readonly #log: Pick<Logger, 'debug'>;
  readonly #timer: NodeJS.Timeout;
  /** After it was last given back. */
  #floor = 0;
  #last = 0;
  #notBeforeMs = 0;

  /** Looks until it is closed. */
  constructor(log: Pick<Logger, 'debug'>, memory: ProcessMemory = ownMemory()) {
    this.#log = log;
    this.#memory = memory;
    this.#timer = setInterval(() => this.look(performance.now()), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Gives memory back when there is enough of it, and the process is at rest. */
  look(nowMs: number): void {
    const size = this.#memory.size();
    const isAtRest = Math.abs(size - this.#last) < UNREST_BYTES;
    this.#last = size;
    const limit = Math.max(this.#floor * GROWTH_RATIO_MIN, this.#floor + GROWTH_BYTES_MIN);
    if (!isAtRest || size < limit || nowMs < this.#notBeforeMs) return;
    const start = performance.now();
    this.#memory.giveBack();
    const durationMs = Math.round(performance.now() - start);
    this.#floor = this.#memory.size();
    this.#last = this.#floor;
    this.#notBeforeMs = nowMs + REST_MS;
    this.#log.debug({ before: size, after: this.#floor, durationMs }, 'memory given back');
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function ownMemory(): ProcessMemory {
  limitArenas(ARENAS);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as NodeJS.GCFunction;
  return {
    size: () => process.memoryUsage.rss(),
    giveBack() {
      // The kind that also moves what is left together, so that pages become free.
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      trimArenas();
    },
  };
}
