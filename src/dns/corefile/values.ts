import { tryParseGoDuration } from '../../go-duration.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import type { Token } from './lexer.ts';
import type { Directive } from './parse.ts';
import { CorefileError, type Position } from './position.ts';
import { parseZones } from './server-key.ts';

/** Refuses what stands at `position`. */
export function fail(position: Position, problem: string): never {
  throw new CorefileError(position, problem);
}

/** The words of a line, when there are from `min` to `max` of them. */
export function expectArgs(line: Directive, min: number, max: number): readonly Token[] {
  const { name, args } = line;
  if (args.length < min) {
    const expected = min === max ? `${min}` : `at least ${min}`;
    fail(
      name,
      `${name.text}: expected ${expected} ${min === 1 ? 'word' : 'words'}, got ${args.length}`,
    );
  }
  const extra = args[max];
  if (extra !== undefined) fail(extra, `${name.text}: unexpected "${extra.text}"`);
  return args;
}

/** The first word of a line that has exactly one. */
export function oneArg(line: Directive): Token {
  const [token] = expectArgs(line, 1, 1);
  return token ?? line.name;
}

/** Refuses a block where a directive has none. */
export function expectNoBody(line: Directive): void {
  if (line.body !== undefined) fail(line.name, `${line.name.text}: expected no block`);
}

/** A Go duration, such as 30s or 1h30m; a number alone is seconds. In milliseconds. */
export function parseDurationMs(token: Token): number {
  const { text } = token;
  if (/^[0-9]+$/.test(text)) return Number(text) * 1000;
  return tryParseGoDuration(text) ?? fail(token, `expected a duration such as 30s, got "${text}"`);
}

/** A duration from `minMs` to `maxMs`. */
export function durationBetween(token: Token, minMs: number, maxMs: number): number {
  const value = parseDurationMs(token);
  if (value < minMs || value > maxMs) {
    fail(
      token,
      `expected a duration from ${minMs / 1000} s to ${maxMs / 1000} s, got "${token.text}"`,
    );
  }
  return value;
}

/** A whole number from `min` to `max`. */
export function numberBetween(token: Token, min: number, max: number): number {
  const value = /^[0-9]{1,12}$/.test(token.text) ? Number(token.text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    fail(token, `expected a whole number from ${min} to ${max}, got "${token.text}"`);
  }
  return value;
}

/** One of the words. */
export function oneOf<Word extends string>(token: Token, words: readonly Word[]): Word {
  const word = words.find((each) => each === token.text);
  return word ?? fail(token, `expected ${words.join(' or ')}, got "${token.text}"`);
}

/** The zones that words name; `otherwise` when there are none. */
export function zonesOf(tokens: readonly Token[], otherwise: readonly string[]): readonly string[] {
  return tokens.length === 0 ? otherwise : tokens.flatMap((token) => parseZones(token));
}

/** An IP address with a port, such as `10.0.0.10:5353` or `[::1]:53`; the port may be missing. */
export interface Endpoint {
  readonly addr: Addr;
  readonly port: number;
}

/** Reads an address with or without a port; undefined for what is none. */
export function tryParseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const bare = tryParseAddr(text);
  if (bare !== undefined) return { addr: bare, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?$/.exec(text);
  const addr = match === null ? undefined : tryParseAddr(match[1] ?? match[2] ?? '');
  const port = Number(match?.[3] ?? defaultPort);
  if (addr === undefined || port > 65_535) return undefined;
  return { addr, port };
}

/** `[HOST]:PORT` to listen on; an empty host is every address. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export function parseListenAddress(token: Token): ListenAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([0-9]{1,5})$/.exec(token.text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    fail(token, `expected [ADDRESS]:PORT, got "${token.text}"`);
  }
  const host = match[1] ?? match[2] ?? '';
  if (host !== '' && host !== 'localhost' && tryParseAddr(host) === undefined) {
    fail(token, `expected an IP address before the port, got "${host}"`);
  }
  return { host: host === 'localhost' ? '127.0.0.1' : host, port };
}
