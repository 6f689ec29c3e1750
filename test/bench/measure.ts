/** One thing to measure: its name, and a run of it that gives what it cost. */
export interface Candidate {
  readonly name: string;
  /** Does it once and gives the cost, in the unit of the whole measurement. */
  readonly run: () => number;
}

/** What the runs of a candidate came to. */
export interface Sample {
  readonly name: string;
  readonly median: number;
  /** The fifth and the ninety-fifth of a hundred. */
  readonly p5: number;
  readonly p95: number;
}

/** The same for what needs the event loop. */
export interface AsyncCandidate {
  readonly name: string;
  readonly run: () => Promise<number>;
}

/**
 * Runs every candidate in turn, `rounds` times over, so that whatever else the machine does falls on
 * all of them alike. The first round warms up and does not count.
 */
export function interleave(candidates: readonly Candidate[], rounds: number): Sample[] {
  const costs = candidates.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    candidates.forEach(({ run }, index) => {
      const cost = run();
      if (round > 0) costs[index]?.push(cost);
    });
  }
  return candidates.map(({ name }, index) => sampleOf(name, costs[index] ?? []));
}

/** Like `interleave`, for candidates that need the event loop. */
export async function interleaveAsync(
  candidates: readonly AsyncCandidate[],
  rounds: number,
): Promise<Sample[]> {
  const costs = candidates.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { run }] of candidates.entries()) {
      const cost = await run();
      if (round > 0) costs[index]?.push(cost);
    }
  }
  return candidates.map(({ name }, index) => sampleOf(name, costs[index] ?? []));
}

/** What many runs of one candidate came to. */
export function sampleOf(name: string, costs: readonly number[]): Sample {
  const sorted = costs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { name, median: at(0.5), p5: at(0.05), p95: at(0.95) };
}

/** Milliseconds that `work` takes. */
export function timeMs(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** The same for work that needs the event loop. */
export async function timeAsyncMs(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}
