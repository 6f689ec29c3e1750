import { describe, expect, it } from 'vitest';
import { watchdogIntervalMs } from './notifier.ts';

describe('watchdogIntervalMs', () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, 30_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 30_000],
    // It is for who started us.
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
  ])('of %j is %s', (environment, expected) => {
    expect(watchdogIntervalMs(environment, 7)).toBe(expected);
  });
});
