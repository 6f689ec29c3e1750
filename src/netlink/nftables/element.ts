import type { Attributes } from '../attribute.ts';
import type { elementListAttributes } from './attributes.ts';
import type { StatefulExpression } from './expression/expression.ts';
import type { Verdict } from './expression/verdict.ts';
import { isInterval, type SetShape } from './set.ts';
import { commentOf, elementUserdata } from './userdata.ts';

/** What an element of a map holds: bytes, a verdict, or the name of an object. */
export type ElementData =
  | { readonly value: Uint8Array }
  | { readonly verdict: Verdict }
  | { readonly object: string };

/** An element of a set, or with `data` of a map. */
export interface Element {
  /** Padded to 4 bytes for each field of a concatenation; see `concatValues`. */
  readonly key: Uint8Array;
  /** In a set of intervals: the last key, included. Without it the interval is `key` alone. */
  readonly keyEnd?: Uint8Array | undefined;
  readonly data?: ElementData | undefined;
  readonly comment?: string | undefined;
  /** After this time it goes, in milliseconds; without it as the set says. */
  readonly timeoutMs?: number | undefined;
  /** How much of that is left; only in listings. */
  readonly expirationMs?: number | undefined;
  /** What it counts or limits. */
  readonly expressions?: readonly StatefulExpression[] | undefined;
  /** It stands for every key that is in no other element; `key` is empty then. */
  readonly catchAll?: true | undefined;
}

type WireElement = NonNullable<Attributes<typeof elementListAttributes>['elements']>[number];

/** NFT_SET_ELEM_*. */
const INTERVAL_END = 1;
const CATCH_ALL = 2;

/**
 * An element as the messages that add, delete or get it have it. A set of intervals of one field
 * keeps their two borders as elements of their own, and the kernel finds a key between them; one of
 * several fields keeps both borders in one element.
 */
export function encodeElement(set: SetShape, element: Element): readonly WireElement[] {
  const { key, keyEnd = key, data, comment, timeoutMs, expirationMs, expressions = [] } = element;
  if (element.catchAll === true) return [encodeOne(element, { flags: CATCH_ALL })];
  if (!isInterval(set)) {
    // What most elements are, at the least cost: maps with a hundred thousand of them are common.
    return comment === undefined && timeoutMs === undefined && expirationMs === undefined
      ? [
          {
            key: { value: key },
            data: data === undefined ? undefined : wireData(data),
            object: objectOf(data),
            expression: expressions.length === 1 ? expressions[0] : undefined,
            expressions: expressions.length > 1 ? expressions : undefined,
          },
        ]
      : [encodeOne(element, { key: { value: key } })];
  }
  if (set.key.fields.length > 0) {
    return [encodeOne(element, { key: { value: key }, keyEnd: { value: keyEnd } })];
  }
  const border = successor(keyEnd);
  const start = encodeOne(element, { key: { value: key } }, border === undefined);
  return border === undefined ? [start] : [start, { key: { value: border }, flags: INTERVAL_END }];
}

function encodeOne(element: Element, place: WireElement, openInterval = false): WireElement {
  const { data, comment, timeoutMs, expirationMs, expressions = [] } = element;
  return {
    ...place,
    data: data === undefined ? undefined : wireData(data),
    object: objectOf(data),
    timeoutMs: timeoutMs === undefined ? undefined : BigInt(timeoutMs),
    expirationMs: expirationMs === undefined ? undefined : BigInt(expirationMs),
    userdata: elementUserdata(comment, openInterval),
    expression: expressions.length === 1 ? expressions[0] : undefined,
    expressions: expressions.length > 1 ? expressions : undefined,
  };
}

function wireData(data: ElementData): WireElement['data'] {
  return 'object' in data ? undefined : data;
}

function objectOf(data: ElementData | undefined): string | undefined {
  return data !== undefined && 'object' in data ? data.object : undefined;
}

/** The elements of a listing; the borders of intervals are joined, and those in order of their keys. */
export function decodeElements(set: SetShape, listed: readonly WireElement[]): Element[] {
  if (!isInterval(set) || set.key.fields.length > 0) return listed.map(decodeElement);
  return joinIntervals(listed);
}

/**
 * Joins the borders of intervals of one field. The kernel lists them in no order that is promised;
 * a border that ends one interval and begins the next is listed twice, the end being the first.
 */
function joinIntervals(listed: readonly WireElement[]): Element[] {
  const elements: Element[] = [];
  const borders = listed
    .filter((wire) => !isCatchAll(wire))
    .sort((left, right) => {
      const order = Buffer.compare(keyOf(left), keyOf(right));
      return order === 0 ? Number(isEnd(right)) - Number(isEnd(left)) : order;
    });
  borders.forEach((wire, index) => {
    // nft(8) also writes an end without a beginning, at zero.
    if (isEnd(wire)) return;
    const next = borders[index + 1];
    const element = decodeElement(wire);
    const last = next === undefined ? allOnes(element.key) : predecessor(keyOf(next));
    elements.push(equalBytes(last, element.key) ? element : { ...element, keyEnd: last });
  });
  return [...elements, ...listed.filter(isCatchAll).map(decodeElement)];
}

/** An element of an event, which tells of each border of an interval by itself. */
export interface ElementChange extends Element {
  /** In a set of intervals of one field: `key` is the first that is not in the interval any more. */
  readonly intervalEnd?: true | undefined;
}

/** The elements an event tells of. */
export function decodeElementChanges(listed: readonly WireElement[]): ElementChange[] {
  return listed.map((wire) => ({
    ...decodeElement(wire),
    intervalEnd: isEnd(wire) ? true : undefined,
  }));
}

/** One element as it is on the wire, borders of intervals not joined. */
function decodeElement(wire: WireElement): Element {
  const { data, object, timeoutMs, expirationMs, userdata, expression } = wire;
  const { expressions = expression === undefined ? undefined : [expression] } = wire;
  const key = keyOf(wire);
  const keyEnd = wire.keyEnd?.value;
  return {
    key,
    keyEnd: keyEnd === undefined || equalBytes(key, keyEnd) ? undefined : keyEnd,
    data: decodeData(data, object),
    comment: commentOf(userdata),
    timeoutMs: timeoutMs === undefined ? undefined : Number(timeoutMs),
    expirationMs: expirationMs === undefined ? undefined : Number(expirationMs),
    expressions,
    catchAll: isCatchAll(wire) ? true : undefined,
  };
}

function decodeData(data: WireElement['data'], object: string | undefined): Element['data'] {
  if (object !== undefined) return { object };
  if (data?.verdict !== undefined) {
    const { code = 0, chain } = data.verdict;
    return { verdict: chain === undefined ? { code } : { code, chain } };
  }
  return data?.value === undefined ? undefined : { value: data.value };
}

const NO_KEY = new Uint8Array();

function keyOf(wire: WireElement): Uint8Array {
  return wire.key?.value ?? NO_KEY;
}

function isEnd(wire: WireElement): boolean {
  return ((wire.flags ?? 0) & INTERVAL_END) !== 0;
}

function isCatchAll(wire: WireElement): boolean {
  return ((wire.flags ?? 0) & CATCH_ALL) !== 0;
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** The key after this one, as a number in network order; undefined after the last. */
function successor(key: Uint8Array): Uint8Array | undefined {
  return step(key, 1, 255);
}

/** The key before this one; the first key before zero is the last. */
function predecessor(key: Uint8Array): Uint8Array {
  return step(key, -1, 0) ?? allOnes(key);
}

/** Adds `by` with carry: an octet that is `limit` wraps, and the one before it is stepped too. */
function step(key: Uint8Array, by: 1 | -1, limit: 0 | 255): Uint8Array | undefined {
  const next = key.slice();
  for (let at = next.length - 1; at >= 0; at -= 1) {
    const octet = next[at] ?? 0;
    next[at] = octet + by;
    if (octet !== limit) return next;
  }
  return undefined;
}

function allOnes(key: Uint8Array): Uint8Array {
  return new Uint8Array(key.length).fill(255);
}
