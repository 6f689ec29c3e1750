import type { Directive } from '../../corefile/parse.ts';
import { durationBetween, expectArgs, expectNoBody } from '../../corefile/values.ts';

const INTERVAL_MS = 30_000;
const INTERVAL_MS_MIN = 2_000;
const JITTER_MS = 15_000;
const DAY_MS = 86_400_000;

/** `reload [INTERVAL] [JITTER]` */
export interface ReloadConfig {
  readonly intervalMs: number;
  readonly jitterMs: number;
}

export function parseReload([directive]: readonly Directive[]): ReloadConfig {
  if (directive !== undefined) expectNoBody(directive);
  const [interval, jitter] = directive === undefined ? [] : expectArgs(directive, 0, 2);
  const intervalMs =
    interval === undefined ? INTERVAL_MS : durationBetween(interval, INTERVAL_MS_MIN, DAY_MS);
  const jitterMs = jitter === undefined ? JITTER_MS : durationBetween(jitter, 0, DAY_MS);
  return { intervalMs, jitterMs: Math.min(jitterMs, intervalMs / 2) };
}
