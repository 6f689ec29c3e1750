import type { Store, StorePart } from '../store.ts';
import { writeState } from './file.ts';

/** Changes that come within this time of the first are saved together. */
const SETTLE_MS = 1_000;
/** A save may take one part in so many of the time. */
const REST_FACTOR = 50;
const RETRY_MS = 30_000;

/** What a StateSaver tells its owner. */
export interface SaverEvents {
  /** A state is on the disk. */
  onSaved(saved: { readonly objects: number; readonly bytes: number }): void;
  /** A state could not be saved; it is tried again. Called once for each new message. */
  onError(error: Error): void;
}

/** Saves what a part of a store has, some time after every change, until it is stopped. */
export class StateSaver {
  readonly #path: string;
  readonly #origin: string;
  readonly #part: StorePart;
  readonly #events: SaverEvents;
  readonly #unsubscribe: () => void;
  #isDirty = true;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;
  #notBeforeMs = 0;
  #problem: string | undefined;

  /** Begins with what the part has now, which has to be all of it. */
  constructor(path: string, origin: string, store: Store, part: StorePart, events: SaverEvents) {
    this.#path = path;
    this.#origin = origin;
    this.#part = part;
    this.#events = events;
    this.#unsubscribe = store.subscribe(() => {
      this.#isDirty = true;
      this.#schedule();
    });
    this.#schedule();
  }

  /** Saves what is not saved yet, and no more after that. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#saving;
    if (this.#isDirty) await this.#save();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#saving !== undefined || this.#isStopped) return;
    const waitMs = Math.max(SETTLE_MS, this.#notBeforeMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#saving = this.#save().finally(() => {
        this.#saving = undefined;
        if (this.#isDirty) this.#schedule();
      });
    }, waitMs);
    // Nobody waits for a save but `stop`.
    this.#timer.unref();
  }

  async #save(): Promise<void> {
    const start = performance.now();
    const objects = [...this.#part.objects()];
    this.#isDirty = false;
    let restMs: number;
    try {
      const state = { origin: this.#origin, savedMs: Date.now(), objects };
      const bytes = await writeState(this.#path, state);
      restMs = (performance.now() - start) * REST_FACTOR;
      this.#problem = undefined;
      this.#events.onSaved({ objects: objects.length, bytes });
    } catch (error) {
      this.#isDirty = true;
      restMs = RETRY_MS;
      const { message } = error as Error;
      if (message !== this.#problem) this.#events.onError(error as Error);
      this.#problem = message;
    }
    this.#notBeforeMs = performance.now() + restMs;
  }
}
