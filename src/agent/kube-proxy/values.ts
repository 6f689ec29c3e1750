import { tryParseGoDuration } from '../../go-duration.ts';
import { type Prefix, parsePrefix } from '../../ipaddr/prefix.ts';
import type { ProxyOptions } from '../../proxy/options.ts';

/*
 * Values as kube-proxy writes them, in flags and in its configuration. Each function throws an Error
 * that says what was expected and what it got; the caller adds where.
 */

const DURATION_CHARACTERS_MAX = 64;

/** A duration as Go writes it, such as `1h30m` or `0s`, in milliseconds; never negative. */
export function parseDurationMs(text: string): number {
  const isLong = text.length > DURATION_CHARACTERS_MAX;
  const ms = text === '0' ? 0 : isLong ? undefined : tryParseGoDuration(text);
  if (ms !== undefined) return ms;
  throw new Error(`expected a duration such as 30s, 1h30m or 0s, got "${text}"`);
}

/** Prefixes of pods: at most one of each family. */
export function parseClusterCIDRs(texts: readonly string[]): readonly Prefix[] {
  const prefixes = texts.map((text) => parsePrefix(text.trim()));
  if (new Set(prefixes.map(({ addr }) => addr.family)).size < prefixes.length) {
    throw new Error(`expected at most one prefix of each family, got "${texts.join(',')}"`);
  }
  return prefixes;
}

/** `primary`, or prefixes of the node's addresses; none of them is undefined. */
export function parseNodePortAddresses(
  texts: readonly string[],
): ProxyOptions['nodePorts'] | undefined {
  if (texts.length === 0) return undefined;
  if (texts.includes('primary')) {
    if (texts.length === 1) return 'primary';
    throw new Error(`expected "primary" or prefixes, got both: "${texts.join(',')}"`);
  }
  const prefixes = texts.map((text) => parsePrefix(text.trim()));
  return prefixes.some(({ bits }) => bits === 0) ? 'all' : prefixes;
}

const INTERFACE_NAME_BYTES_MAX = 15; // IFNAMSIZ without the final NUL

/** The name of an interface, or the beginning of one, that a mode needs. */
export function checkInterfaceName(text: string, mode: string): string {
  if (text !== '' && Buffer.byteLength(text) <= INTERFACE_NAME_BYTES_MAX) return text;
  const expected = `expected 1 to ${INTERFACE_NAME_BYTES_MAX} bytes for mode ${mode}`;
  throw new Error(`${expected}, got "${text}"`);
}

/** A whole number in a range. */
export function checkInteger(value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`expected a whole number from ${min} to ${max}, got ${value}`);
}

/** The node's name: the one given, or the host's; as the API has it, in lower case. */
export function nodeNameOf(override: string, hostname: string): string {
  const name = override === '' ? hostname : override.trim();
  if (name === '') throw new Error(`expected a node's name, got "${override}"`);
  return name.trim().toLowerCase();
}
