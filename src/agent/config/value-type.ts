import { isAbsolute, join } from 'node:path';
import { formatGoDuration } from '../../go-duration.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { Prefix, parsePrefix } from '../../ipaddr/prefix.ts';
import { type BindAddress, parseBindAddress } from '../kube-proxy/bind-address.ts';
import { checkInteger, parseClusterCIDRs, parseDurationMs } from '../kube-proxy/values.ts';
import { shown } from './fault.ts';

/** A value as YAML has it. */
export type YamlValue = string | number | boolean | null | readonly string[];

/** A part of a JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** How one kind of value is read and written, in flags, variables and YAML. */
export interface ValueType<T> {
  /** Completes "expected". */
  readonly expected: string;
  readonly schema: JsonSchema;
  /** A flag may be given several times. */
  readonly isList: boolean;
  /** A flag needs no value. */
  readonly isBoolean: boolean;
  /** Reads a flag or a variable. Throws an Error that says what was expected and what it got. */
  parse(text: string): T;
  /** Reads a value of YAML in a file of `directory`. Throws the same. */
  read(value: unknown, directory: string): T;
  /** Gives what `read` reads; null for nothing. */
  format(value: T): YamlValue;
}

/** A list in a file is a mistake beyond this. */
const LIST_ITEMS_MAX = 1000;
const INT32_MAX = 2 ** 31 - 1;

/** What is written as text everywhere. */
function written<T>(
  expected: string,
  parse: (text: string) => T,
  format: (value: T) => string = String,
  schema: JsonSchema = {},
): ValueType<T> {
  return {
    expected,
    schema: { type: 'string', ...schema },
    isList: false,
    isBoolean: false,
    parse,
    read: (value) => parse(stringOf(value, expected)),
    format,
  };
}

/** Any text that `check` does not throw at. */
export function text(
  expected: string,
  check: (text: string) => string = notEmpty(expected),
): ValueType<string> {
  return written(expected, check);
}

/** Something in the file system; in a file, relative to the file. */
export function path(expected: string, parse = notEmpty(expected)): ValueType<string> {
  return {
    ...written(expected, parse),
    read: (value, directory) => {
      const name = parse(stringOf(value, expected));
      return name === '' || isAbsolute(name) ? name : join(directory, name);
    },
  };
}

/** The URL of a server. A password has no place in it, for URLs are shown. */
export function url(expected: string, protocols: readonly string[]): ValueType<string> {
  return written(expected, (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (parsed !== undefined && (parsed.username !== '' || parsed.password !== '')) {
      throw new Error(`expected ${expected} without a user or password in it`);
    }
    if (parsed !== undefined && protocols.includes(parsed.protocol)) return value;
    throw new Error(`expected ${expected}, got ${shown(value)}`);
  });
}

export const boolean: ValueType<boolean> = {
  expected: 'true or false',
  schema: { type: 'boolean' },
  isList: false,
  isBoolean: true,
  parse(value) {
    if (value === 'true' || value === 'false') return value === 'true';
    throw new Error(`expected true or false, got ${shown(value)}`);
  },
  read(value) {
    if (typeof value === 'boolean') return value;
    throw new Error(`expected true or false, got ${shown(value)}`);
  },
  format: (value) => value,
};

/** A whole number. */
export function integer(min: number, max: number = INT32_MAX): ValueType<number> {
  const expected = `a whole number from ${min} to ${max}`;
  return {
    expected,
    schema: { type: 'integer', minimum: min, maximum: max },
    isList: false,
    isBoolean: false,
    parse(value) {
      if (/^-?\d{1,15}$/.test(value)) return checkInteger(Number(value), min, max);
      throw new Error(`expected ${expected}, got ${shown(value)}`);
    },
    read(value) {
      if (typeof value === 'number') return checkInteger(value, min, max);
      throw new Error(`expected ${expected}, got ${shown(value)}`);
    },
    format: (value) => value,
  };
}

/** One of some words. */
export function choice<const T extends string>(values: readonly T[]): ValueType<T> {
  const expected = `one of ${values.map((value) => `"${value}"`).join(', ')}`;
  const parse = (value: string): T => {
    const known = values.find((each) => each === value);
    if (known !== undefined) return known;
    throw new Error(`expected ${expected}, got ${shown(value)}`);
  };
  return written(expected, parse, String, { enum: values });
}

/** A length of time in milliseconds, as Go writes it. */
export const duration: ValueType<number> = written(
  'a duration such as 30s, 1h30m or 0s',
  parseDurationMs,
  formatGoDuration,
);

/** Where to listen; empty: nowhere. */
export function bindAddress(port: number): ValueType<BindAddress | undefined> {
  return written(
    'an IP address and a port, or "" for none',
    (value) => parseBindAddress(value, port),
    (value) => {
      if (value === undefined) return '';
      return `${value.host.includes(':') ? `[${value.host}]` : value.host}:${value.port}`;
    },
  );
}

/** An IP address. */
export const address: ValueType<Addr> = written('an IP address', parseAddr);

/** A network, or an address for a network of one. */
export const network: ValueType<Prefix> = written('an IP address or prefix', (value) => {
  if (value.includes('/')) return parsePrefix(value).masked();
  const addr = parseAddr(value);
  return Prefix.of(addr, addr.bits);
});

/** Several of a kind: a list in YAML, commas between them elsewhere. */
export function listOf<T>(item: ValueType<T>): ValueType<readonly T[]> {
  return list(
    `a list, each of it ${item.expected}`,
    (texts) => texts.map((each) => item.parse(each)),
    (values) => values.map((value) => String(item.format(value))),
    item.schema,
  );
}

/** Prefixes of pods, at most one of each family. */
export const clusterCIDRs: ValueType<readonly Prefix[]> = list(
  'a list of IP prefixes, at most one of each family',
  parseClusterCIDRs,
  (prefixes) => prefixes.map(String),
);

/** Texts that mean something together. */
export function list<T>(
  expected: string,
  parse: (texts: readonly string[]) => T,
  format: (value: T) => readonly string[],
  items: JsonSchema = { type: 'string' },
): ValueType<T> {
  return {
    expected,
    schema: { type: 'array', items, maxItems: LIST_ITEMS_MAX },
    isList: true,
    isBoolean: false,
    parse: (value) => parse(value === '' ? [] : value.split(',').map((each) => each.trim())),
    read(value) {
      if (!Array.isArray(value)) throw new Error(`expected ${expected}, got ${shown(value)}`);
      if (value.length > LIST_ITEMS_MAX) {
        throw new Error(`expected at most ${LIST_ITEMS_MAX} items, got ${value.length}`);
      }
      return parse(value.map((each) => stringOf(each, expected)));
    },
    format,
  };
}

/** What need not be there. */
export function maybe<T>(type: ValueType<T>): ValueType<T | undefined> {
  return { ...type, format: (value) => (value === undefined ? null : type.format(value)) };
}

function notEmpty(expected: string): (text: string) => string {
  return (value) => {
    if (value !== '') return value;
    throw new Error(`expected ${expected}, got ""`);
  };
}

function stringOf(value: unknown, expected: string): string {
  if (typeof value === 'string') return value;
  throw new Error(`expected ${expected}, got ${shown(value)}`);
}
