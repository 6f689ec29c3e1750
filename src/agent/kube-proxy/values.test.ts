import { describe, expect, it } from 'vitest';
import { parseDurationMs } from './values.ts';

describe('parseDurationMs', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['30s', 30_000],
    ['1h30m', 5_400_000],
    ['24h0m0s', 86_400_000],
    ['1.5s', 1500],
    ['.5m', 30_000],
    ['250ms', 250],
    ['10us', 0.01],
  ])('reads %j as %d ms', (text, expected) => {
    expect(parseDurationMs(text)).toBeCloseTo(expected, 9);
  });

  it.each(['', '5', '-5s', 's', '5 s', '1d', '1h30', `${'1h'.repeat(40)}`])(
    'refuses %j',
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(
        `expected a duration such as 30s, 1h30m or 0s, got`,
      );
    },
  );
});
