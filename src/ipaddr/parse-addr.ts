import { Addr } from './addr.ts';

/** A longer text cannot be an address: 39 for IPv6, `%`, and a zone of an interface name's size. */
const TEXT_LENGTH_MAX = 64;

/** A text that is not an IP address, and where it stops being one. */
export class AddrSyntaxError extends Error {
  readonly code = 'ERR_ADDR_SYNTAX';
  readonly input: string;
  /** Index into `input` of the first character that does not fit. */
  readonly position: number;
  readonly expected: string;

  constructor(input: string, position: number, expected: string) {
    const got = position < input.length ? `"${input.slice(position, position + 16)}"` : 'the end';
    super(`invalid IP address "${input}": at ${position}: expected ${expected}, got ${got}`);
    this.name = 'AddrSyntaxError';
    this.input = input;
    this.position = position;
    this.expected = expected;
  }
}

/**
 * Reads an IPv4 address in dotted decimal or an IPv6 address (RFC 4291 section 2.2) with an
 * optional zone. Strict: no leading zeros in IPv4, no short forms, nothing before or after.
 * Throws AddrSyntaxError.
 */
export function parseAddr(text: string): Addr {
  const result = scanAddr(text);
  if (result instanceof Addr) return result;
  throw new AddrSyntaxError(text, result.position, result.expected);
}

/** As parseAddr, but gives undefined for what is not an address. */
export function tryParseAddr(text: string): Addr | undefined {
  const result = scanAddr(text);
  return result instanceof Addr ? result : undefined;
}

/** Where a text stops being an address and what should stand there. */
interface Fault {
  readonly position: number;
  readonly expected: string;
}

function scanAddr(text: string): Addr | Fault {
  if (text.length > TEXT_LENGTH_MAX) {
    return { position: TEXT_LENGTH_MAX, expected: `at most ${TEXT_LENGTH_MAX} characters` };
  }
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '.') {
      const value = scanV4(text, 0, text.length);
      return typeof value === 'number' ? Addr.v4(value) : value;
    }
    if (char === ':') return scanV6(text);
  }
  return { position: text.length, expected: 'an IPv4 or IPv6 address' };
}

const DOT = 46;
const COLON = 58;
const ZERO = 48;

/** The value of the dotted decimal in `text` from `start` up to `end`. */
function scanV4(text: string, start: number, end: number): number | Fault {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let octets = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0) return { position: at, expected: 'a number from 0 to 255' };
      if (octets === 3) return { position: at, expected: 'the end after four octets' };
      value = value * 256 + octet;
      octets += 1;
      octet = 0;
      digits = 0;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9) return { position: at, expected: 'a decimal digit or "."' };
    if (digits > 0 && octet === 0) {
      return { position: at - 1, expected: 'an octet without a leading zero' };
    }
    octet = octet * 10 + digit;
    digits += 1;
    if (octet > 255) return { position: at - digits + 1, expected: 'a number from 0 to 255' };
  }
  if (digits === 0) return { position: end, expected: 'a number from 0 to 255' };
  if (octets < 3) return { position: end, expected: 'four octets' };
  return (value * 256 + octet) >>> 0;
}

function scanV6(text: string): Addr | Fault {
  const percent = text.indexOf('%');
  const end = percent < 0 ? text.length : percent;
  if (percent >= 0 && percent === text.length - 1) {
    return { position: text.length, expected: 'a zone after "%"' };
  }
  const groups: number[] = [];
  let gapAt = -1; // where "::" stands, as an index into groups
  let at = 0;
  if (text.startsWith('::')) {
    gapAt = 0;
    at = 2;
  }
  while (at < end) {
    if (groups.length === 8) return { position: at, expected: 'the end after eight groups' };
    const group = scanGroup(text, at, end);
    if (group.next === at) return { position: at, expected: 'a group of hexadecimal digits' };
    if (group.digits > 4) return { position: at, expected: 'at most four hexadecimal digits' };
    if (text.charCodeAt(group.next) === DOT && group.next < end) {
      const tail = scanV4(text, at, end);
      if (typeof tail !== 'number') return tail;
      if (groups.length > 6) return { position: at, expected: 'at most six groups before IPv4' };
      groups.push(tail >>> 16, tail & 0xffff);
      at = end;
      break;
    }
    groups.push(group.value);
    at = group.next;
    if (at === end) break;
    if (text.charCodeAt(at) !== COLON)
      return { position: at, expected: 'a hexadecimal digit or ":"' };
    at += 1;
    if (at === end) return { position: at, expected: 'a group after ":"' };
    if (text.charCodeAt(at) === COLON) {
      if (gapAt >= 0) return { position: at, expected: 'only one "::"' };
      gapAt = groups.length;
      at += 1;
    }
  }
  if (gapAt < 0 && groups.length < 8) return { position: end, expected: 'eight groups or "::"' };
  if (gapAt >= 0) {
    if (groups.length === 8) return { position: 0, expected: '"::" to stand for a group' };
    groups.splice(gapAt, 0, ...Array.from<number>({ length: 8 - groups.length }).fill(0));
  }
  const word = (index: number): number =>
    (((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0)) >>> 0;
  return Addr.v6(word(0), word(2), word(4), word(6), text.slice(end + 1));
}

function scanGroup(text: string, start: number, end: number) {
  let value = 0;
  let next = start;
  while (next < end) {
    const digit = hexDigit(text.charCodeAt(next));
    if (digit < 0) break;
    if (next - start < 4) value = value * 16 + digit;
    next += 1;
  }
  return { value, next, digits: next - start };
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}
