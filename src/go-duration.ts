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
