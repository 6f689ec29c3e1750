/** How often a sample is taken, and how many are kept: half an hour. */
export const SAMPLE_INTERVAL_MS = 2_000;
export const SAMPLES_MAX = 900;
/** What is said of now is measured over so many samples. */
const RECENT_SAMPLES = 5;

/** What happened in the time before one moment. */
export interface Sample {
  readonly atMs: number;
  /** The slowest sync of the rules in that time; null when there was none. */
  readonly syncMs: number | null;
  /** DNS answers a second, by response code. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Totals at one moment, of which the differences are samples. */
export interface Totals {
  /** A time that never goes back. */
  readonly clockMs: number;
  readonly atMs: number;
  readonly syncMs: number | null;
  /** DNS answers since the start, by response code. */
  readonly answers: ReadonlyMap<string, number>;
}

/** The last samples, oldest first, and never more than there is room for. */
export class History {
  readonly #samples: Sample[] = [];
  #last: Totals | undefined;

  /** Takes the totals of now. What was counted from anew, as by a restart, is not a rate. */
  add(totals: Totals): void {
    const before = this.#last;
    this.#last = totals;
    const seconds = (totals.clockMs - (before?.clockMs ?? totals.clockMs)) / 1000;
    const answers: Record<string, number> = {};
    if (before !== undefined && seconds > 0) {
      for (const [rcode, count] of totals.answers) {
        const rate = (count - (before.answers.get(rcode) ?? 0)) / seconds;
        if (rate > 0) answers[rcode] = Math.round(rate * 10) / 10;
      }
    }
    this.#samples.push({ atMs: totals.atMs, syncMs: totals.syncMs, answers });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Answers a second by response code, over the last seconds. */
  recentAnswers(): ReadonlyMap<string, number> {
    // The first sample has nothing before it, and so no rate.
    const recent = this.#samples.slice(1).slice(-RECENT_SAMPLES);
    const sums = new Map<string, number>();
    for (const { answers } of recent) {
      for (const [rcode, rate] of Object.entries(answers)) {
        sums.set(rcode, (sums.get(rcode) ?? 0) + rate / recent.length);
      }
    }
    return sums;
  }
}
