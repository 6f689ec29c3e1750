const FIRST_MS = 200;
const LONGEST_MS = 10_000;
/** What went well for so long is well again: the next failure is a first one. */
const RESET_AFTER_MS = 10_000;

/** How long to wait after failures in a row: twice as long each time, up to a bound, and spread. */
export class Backoff {
  readonly #longestMs: number;
  readonly #random: () => number;
  #nextMs = FIRST_MS;

  /** `random` gives numbers from 0 to below 1. */
  constructor(longestMs = LONGEST_MS, random: () => number = Math.random) {
    this.#longestMs = longestMs;
    this.#random = random;
  }

  /** The next failure is a first one. */
  reset(): void {
    this.#nextMs = FIRST_MS;
  }

  /**
   * The wait after a failure that came `lastedMs` after the attempt began. A server that asks for a
   * wait of its own (Retry-After) gets it, up to the bound.
   */
  next(lastedMs: number, retryAfterMs = 0): number {
    if (lastedMs >= RESET_AFTER_MS) this.reset();
    // Half to one and a half times: those who lost one server do not come back together.
    const spread = this.#nextMs * (0.5 + this.#random());
    this.#nextMs = Math.min(this.#nextMs * 2, this.#longestMs);
    return Math.min(Math.max(spread, retryAfterMs), this.#longestMs);
  }
}
