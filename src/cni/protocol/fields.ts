import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from './error.ts';

/** A JSON object whose fields are read with checks; errors name the field. */
export class Fields {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(raw: Readonly<Record<string, unknown>>, path = '') {
    this.raw = raw;
    this.#path = path;
  }

  /**
   * The value of a field, or undefined; null counts as absent. Go's encoding/json, which the field's
   * programs read with, ignores case, and of several spellings takes the one that comes last.
   */
  value(name: string): unknown {
    const folded = fold(name);
    let found: unknown;
    for (const [key, value] of Object.entries(this.raw)) {
      if (value !== null && (key === name || fold(key) === folded)) found = value;
    }
    return found;
  }

  /** The same object with these fields in place of its own, in whatever case those are written. */
  with(values: Readonly<Record<string, unknown>>): Fields {
    const replaced = new Set(Object.keys(values).map(fold));
    const others = Object.entries(this.raw).filter(([key]) => !replaced.has(fold(key)));
    return new Fields({ ...Object.fromEntries(others), ...values }, this.#path);
  }

  string(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(name, 'a string', value);
  }

  boolean(name: string): boolean {
    const value = this.value(name) ?? false;
    if (typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false', value);
  }

  integer(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value))) {
      return value;
    }
    throw this.wrong(name, 'a whole number', value);
  }

  object(name: string): Fields | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (isObject(value)) return new Fields(value, this.#at(name));
    throw this.wrong(name, 'an object', value);
  }

  list(name: string): readonly unknown[] {
    const value = this.value(name) ?? [];
    if (Array.isArray(value)) return value;
    throw this.wrong(name, 'a list', value);
  }

  objects(name: string): Fields[] {
    return this.list(name).map((item, index) => {
      if (isObject(item)) return new Fields(item, `${this.#at(name)}[${index}]`);
      throw this.wrong(`${name}[${index}]`, 'an object', item);
    });
  }

  /** The objects of a list that is itself an item of a list; `name` is its place. */
  nested(name: string, list: readonly unknown[]): Fields[] {
    return new Fields({ [name]: list }, this.#path).objects(name);
  }

  strings(name: string): string[] {
    return this.list(name).map((item, index) => {
      if (typeof item === 'string') return item;
      throw this.wrong(`${name}[${index}]`, 'a string', item);
    });
  }

  addr(name: string): Addr | undefined {
    const text = this.string(name);
    if (text === undefined || text === '') return undefined;
    const addr = tryParseAddr(text);
    if (addr === undefined) throw this.wrong(name, 'an IP address', text);
    return addr;
  }

  prefix(name: string): Prefix | undefined {
    const text = this.string(name);
    if (text === undefined || text === '') return undefined;
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) throw this.wrong(name, 'an IP prefix such as 10.1.0.0/16', text);
    return prefix;
  }

  /** An error about a field: its place, what was expected, and what is there. */
  wrong(name: string, expected: string, value: unknown): CniError {
    const got = JSON.stringify(value) ?? 'nothing';
    return new CniError(
      CNI_CODE.invalidConfig,
      `${this.#at(name)}: expected ${expected}, got ${got}`,
    );
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** Letters that are equal by Unicode's simple case folding; the long s is the one with no lower case. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's');
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
