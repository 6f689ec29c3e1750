import type { CacheLimits } from '../../cache/answer-cache.ts';
import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import {
  durationBetween,
  expectArgs,
  fail,
  numberBetween,
  oneArg,
  oneOf,
  parseDurationMs,
  zonesOf,
} from '../../corefile/values.ts';
import type { DirectiveContext } from '../plugin.ts';

const ENTRIES = 9_984;
const ENTRIES_MIN = 1_024;
const ENTRIES_MAX = 10_000_000;
const SUCCESS_TTL_MAX = 3_600;
const DENIAL_TTL_MAX = 1_800;
const TTL_MIN = 5;
const FAILURE_MS = 5_000;
const FAILURE_MS_MAX = 300_000;
const PREFETCH_GAP_MS = 60_000;
const PREFETCH_PERCENT = 10;
const STALE_MS = 3_600_000;
const WEEK_MS = 7 * 86_400_000;

/** When an answer that expired may be given. */
export interface StaleConfig {
  readonly forMs: number;
  readonly mode: 'immediate' | 'verify';
  /** How long `verify` waits for a new answer; 0 is as long as asking takes. */
  readonly verifyTimeoutMs: number;
  readonly ttlSeconds: number;
  /** How long nobody is asked again after that failed. */
  readonly recheckMs: number;
}

/** `cache [TTL] [ZONES...] [{ ... }]` */
export interface CacheConfig {
  readonly zones: readonly string[];
  readonly success: CacheLimits;
  readonly denial: CacheLimits;
  readonly failureSeconds: number;
  readonly prefetch:
    | { readonly amount: number; readonly gapMs: number; readonly percent: number }
    | undefined;
  readonly stale: StaleConfig | undefined;
  readonly keepsTtl: boolean;
  /** Zones no answers of the kind are kept for. */
  readonly disabled: { readonly success: readonly string[]; readonly denial: readonly string[] };
}

export function parseCache(
  [directive]: readonly Directive[],
  context: DirectiveContext,
): CacheConfig {
  const args = [...(directive?.args ?? [])];
  const ttl = args[0] !== undefined && /^[0-9]+$/.test(args[0].text) ? args.shift() : undefined;
  const ttlMax = ttl === undefined ? undefined : numberBetween(ttl, 1, 604_800);
  const zones = zonesOf(args, context.zones);
  const limits = (most: number): CacheLimits => ({
    entriesMax: ENTRIES,
    ttlMaxSeconds: ttlMax ?? most,
    ttlMinSeconds: Math.min(TTL_MIN, ttlMax ?? most),
  });
  let config: CacheConfig = {
    zones,
    success: limits(SUCCESS_TTL_MAX),
    denial: limits(DENIAL_TTL_MAX),
    failureSeconds: FAILURE_MS / 1000,
    prefetch: undefined,
    stale: undefined,
    keepsTtl: false,
    disabled: { success: [], denial: [] },
  };
  for (const line of directive?.body ?? []) config = { ...config, ...parseOption(line, config) };
  return config;
}

function parseOption(line: Directive, config: CacheConfig): Partial<CacheConfig> {
  const { name } = line;
  switch (name.text) {
    case 'success':
      return { success: parseLimits(line, config.success) };
    case 'denial':
      return { denial: parseLimits(line, config.denial) };
    case 'prefetch':
      return { prefetch: parsePrefetch(line) };
    case 'serve_stale':
      return { stale: parseStale(line) };
    case 'serve_stale_policy':
      // A positive answer is looked for before a negative one in any case.
      oneOf(oneArg(line), ['prefer_positive']);
      return {};
    case 'servfail':
      return { failureSeconds: durationBetween(oneArg(line), 0, FAILURE_MS_MAX) / 1000 };
    case 'keepttl':
      expectArgs(line, 0, 0);
      return { keepsTtl: true };
    case 'disable': {
      const [kind, ...zones] = expectArgs(line, 1, 100);
      const word = oneOf(kind ?? name, ['success', 'denial']);
      return { disabled: { ...config.disabled, [word]: zonesOf(zones, config.zones) } };
    }
    default:
      return fail(name, `cache: unexpected "${name.text}"`);
  }
}

function parseLimits(line: Directive, before: CacheLimits): CacheLimits {
  const [entries, ttlMax, ttlMin] = expectArgs(line, 1, 3);
  const read = (token: Token | undefined, otherwise: number): number =>
    token === undefined ? otherwise : numberBetween(token, 0, 604_800);
  const ttlMaxSeconds = read(ttlMax, before.ttlMaxSeconds);
  return {
    entriesMax: Math.max(ENTRIES_MIN, numberBetween(entries ?? line.name, 0, ENTRIES_MAX)),
    ttlMaxSeconds,
    ttlMinSeconds: Math.min(read(ttlMin, before.ttlMinSeconds), ttlMaxSeconds),
  };
}

function parsePrefetch(line: Directive): CacheConfig['prefetch'] {
  const [amount, gap, percent] = expectArgs(line, 1, 3);
  const match = /^([0-9]{1,2})%$/.exec(percent?.text ?? `${PREFETCH_PERCENT}%`);
  const value = Number(match?.[1]);
  if (!(value >= 10 && value <= 90)) {
    fail(percent ?? line.name, `cache: expected from 10% to 90%, got "${percent?.text}"`);
  }
  return {
    amount: numberBetween(amount ?? line.name, 0, 1_000_000),
    gapMs: gap === undefined ? PREFETCH_GAP_MS : parseDurationMs(gap),
    percent: value,
  };
}

function parseStale(line: Directive): StaleConfig {
  const args = [...expectArgs(line, 0, 5)];
  const isMode = (token: Token | undefined): boolean =>
    token?.text === 'immediate' || token?.text === 'verify';
  const duration = args.length > 0 && !isMode(args[0]) ? args.shift() : undefined;
  const modeToken = args.shift();
  const mode = modeToken === undefined ? 'immediate' : oneOf(modeToken, ['immediate', 'verify']);
  const timeout = mode === 'verify' ? args.shift() : undefined;
  const [ttl, recheck] = args;
  const milliseconds = (token: Token | undefined): number =>
    token === undefined ? 0 : parseDurationMs(token);
  return {
    forMs: duration === undefined ? STALE_MS : durationBetween(duration, 0, WEEK_MS),
    mode,
    verifyTimeoutMs: milliseconds(timeout),
    ttlSeconds: Math.floor(milliseconds(ttl) / 1000),
    recheckMs: milliseconds(recheck),
  };
}
