import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

describe('Backoff', () => {
  it('waits twice as long each time, up to a bound', () => {
    const backoff = new Backoff(1_000, () => 0.5);
    expect([0, 0, 0, 0, 0].map((lasted) => backoff.next(lasted))).toEqual([
      200, 400, 800, 1_000, 1_000,
    ]);
  });

  it('spreads the waits from half to one and a half', () => {
    expect(new Backoff(1_000, () => 0).next(0)).toBe(100);
    expect(new Backoff(1_000, () => 0.999).next(0)).toBeCloseTo(299.8);
  });

  it('begins anew after what lasted', () => {
    const backoff = new Backoff(1_000, () => 0.5);
    backoff.next(0);
    backoff.next(0);
    expect(backoff.next(10_000)).toBe(200);
    backoff.reset();
    expect(backoff.next(0)).toBe(200);
  });

  it('does what the server asks for, up to the bound', () => {
    const backoff = new Backoff(1_000, () => 0.5);
    expect(backoff.next(0, 700)).toBe(700);
    expect(backoff.next(0, 60_000)).toBe(1_000);
  });
});
