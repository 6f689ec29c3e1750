import { describe, expect, it } from 'vitest';
import { History, SAMPLES_MAX } from './history.ts';

const totals = (
  clockMs: number,
  answers: Record<string, number>,
  syncMs: number | null = null,
) => ({
  clockMs,
  atMs: 1_000_000 + clockMs,
  syncMs,
  answers: new Map(Object.entries(answers)),
});

describe('History', () => {
  it('has rates of what was counted between two moments', () => {
    const history = new History();
    history.add(totals(0, { NOERROR: 1_000 }));
    history.add(totals(2_000, { NOERROR: 1_200, NXDOMAIN: 5 }, 3));
    expect(history.samples).toEqual([
      { atMs: 1_000_000, syncMs: null, answers: {} },
      { atMs: 1_002_000, syncMs: 3, answers: { NOERROR: 100, NXDOMAIN: 2.5 } },
    ]);
    history.add(totals(4_000, { NOERROR: 1_200, NXDOMAIN: 5 }));
    expect(Object.fromEntries(history.recentAnswers())).toEqual({ NOERROR: 50, NXDOMAIN: 1.25 });
  });

  it('takes counts that went back for a new beginning', () => {
    const history = new History();
    history.add(totals(0, { NOERROR: 1_000 }));
    history.add(totals(2_000, { NOERROR: 10 }));
    expect(history.samples[1]?.answers).toEqual({});
  });

  it('keeps so many samples and no more', () => {
    const history = new History();
    for (let n = 0; n < SAMPLES_MAX + 10; n++) history.add(totals(n * 2_000, {}));
    expect(history.samples).toHaveLength(SAMPLES_MAX);
    expect(history.samples[0]?.atMs).toBe(1_000_000 + 20_000);
  });
});
