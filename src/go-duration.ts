const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/;

/**
 * Milliseconds of a duration as Go's time.ParseDuration reads it, such as `1h30m`, without a sign;
 * undefined for what is none, the bare `0` among it.
 */
export function tryParseGoDuration(text: string): number | undefined {
  if (text === '') return undefined;
  let sumMs = 0;
  for (let rest = text; rest !== ''; ) {
    const [all, number, unit = ''] = PART.exec(rest) ?? [];
    if (all === undefined) return undefined;
    sumMs += Number(number) * (UNIT_MS[unit] ?? 0);
    rest = rest.slice(all.length);
  }
  return sumMs;
}

/** Milliseconds as Go's time.ParseDuration reads them, such as `1h30m`. */
export function formatGoDuration(ms: number): string {
  let text = '';
  let restMs = ms;
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const unitMs = UNIT_MS[unit] ?? 1;
    const count = unit === 'ms' ? restMs : Math.trunc(restMs / unitMs);
    if (count === 0) continue;
    text += `${count}${unit}`;
    restMs -= count * unitMs;
  }
  return text === '' ? '0s' : text;
}
