import { describe, expect, it } from 'vitest';
import { duration } from './value-type.ts';

describe('duration', () => {
  it.each([
    [0, '0s'],
    [1, '1ms'],
    [1500, '1s500ms'],
    [30_000, '30s'],
    [5_400_000, '1h30m'],
    [86_400_000, '24h'],
    [0.01, '0.01ms'],
  ])('writes %d ms as %j, which is read as the same', (ms, text) => {
    expect(duration.format(ms)).toBe(text);
    expect(duration.read(text, '/')).toBeCloseTo(ms, 9);
  });
});
