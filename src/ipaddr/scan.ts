import { Addr } from './addr.ts';

/*
 * The scanner behind parse-addr.ts. It makes no value but the address: where and why a text failed is
 * left in `fault`, to be read at once by who called.
 */

/** A longer text cannot be an address: 45 for IPv6, `%`, and 15 for the name of an interface. */
const TEXT_LENGTH_MAX = 64;

/** Why the last scan gave undefined. */
export const fault = { position: 0, expected: '' };

const DOT = 46;
const COLON = 58;
const PERCENT = 37;
const SLASH = 47;
const SPACE = 32;
const DELETE = 127;
const ZERO = 48;
const GROUPS = 8;

/** The groups of the IPv6 address that is being read. */
const groups = new Uint16Array(GROUPS);

/** How strict the scan is. `zeros` lets octets have leading zeros, which are read as decimal. */
export interface ScanOptions {
  readonly zeros: boolean;
}

const STRICT: ScanOptions = { zeros: false };

/** Reads all of `text` as an address; undefined, and `fault`, when it isn't one. */
export function scanAddr(text: string, options: ScanOptions = STRICT): Addr | undefined {
  const { length } = text;
  if (length > TEXT_LENGTH_MAX) {
    return fail(TEXT_LENGTH_MAX, `at most ${TEXT_LENGTH_MAX} characters`);
  }
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      return scanV4(text, 0, length, options.zeros) ? Addr.v4(value4) : undefined;
    }
    if (code === COLON) return scanV6(text, options.zeros);
  }
  return fail(length, 'an IPv4 or IPv6 address');
}

function fail(position: number, expected: string): undefined {
  fault.position = position;
  fault.expected = expected;
  return undefined;
}

function failV4(position: number, expected: string): false {
  fail(position, expected);
  return false;
}

/** The value of the dotted decimal that was read last; a signed word, as Addr has them. */
let value4 = 0;

/** Reads the dotted decimal in `text` from `start` up to `end` into `value4`; false when there is none. */
function scanV4(text: string, start: number, end: number, zeros: boolean): boolean {
  let value = 0;
  let octet = 0;
  let octetAt = start;
  let octets = 0;
  for (let at = start; at < end; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit >= 0 && digit <= 9) {
      // A digit behind a zero, which may be all there is of an octet.
      if (octet === 0 && at > octetAt && !zeros) {
        return failV4(at - 1, 'an octet without a leading zero');
      }
      octet = octet * 10 + digit;
      if (octet > 255) return failV4(octetAt, 'a number from 0 to 255');
      continue;
    }
    if (digit !== DOT - ZERO) return failV4(at, 'a decimal digit or "."');
    if (at === octetAt) return failV4(at, 'a number from 0 to 255');
    if (octets === 3) return failV4(at, 'the end after four octets');
    value = (value << 8) | octet;
    octets += 1;
    octet = 0;
    octetAt = at + 1;
  }
  if (octetAt === end) return failV4(end, 'a number from 0 to 255');
  if (octets < 3) return failV4(end, 'four octets');
  value4 = (value << 8) | octet;
  return true;
}

function scanV6(text: string, zeros: boolean): Addr | undefined {
  const { length } = text;
  let count = 0;
  let gapAt = -1; // where "::" stands, as an index into groups
  let gapPosition = 0; // and as one into text
  let at = 0;
  let end = length;
  if (text.charCodeAt(0) === COLON && text.charCodeAt(1) === COLON) {
    gapAt = 0;
    at = 2;
  }
  while (at < end) {
    const start = at;
    let value = 0;
    let code = 0;
    for (; at < end; at += 1) {
      code = text.charCodeAt(at);
      const digit = hexDigit(code);
      if (digit < 0) break;
      // Digits beyond the fourth are refused below; keeping sixteen bits is enough until then.
      value = ((value << 4) | digit) & 0xffff;
    }
    if (at < end && code === PERCENT) {
      end = at;
      if (end === length - 1) return fail(length, 'a zone after "%"');
      if (start === end && gapAt === count) break;
    }
    if (count === GROUPS) return fail(start, 'the end after eight groups');
    if (at === start) return fail(at, 'a group of hexadecimal digits');
    if (at - start > 4) return fail(start, 'at most four hexadecimal digits');
    if (at < end && code === DOT) {
      const percent = text.indexOf('%', at);
      if (percent >= 0) end = percent;
      if (end === length - 1) return fail(length, 'a zone after "%"');
      if (!scanV4(text, start, end, zeros)) return undefined;
      if (count > 6) return fail(start, 'at most six groups before IPv4');
      groups[count] = value4 >>> 16;
      groups[count + 1] = value4 & 0xffff;
      count += 2;
      break;
    }
    groups[count] = value;
    count += 1;
    if (at === end) break;
    if (code !== COLON) return fail(at, 'a hexadecimal digit or ":"');
    at += 1;
    if (at === end || text.charCodeAt(at) === PERCENT) return fail(at, 'a group after ":"');
    if (text.charCodeAt(at) === COLON) {
      if (gapAt >= 0) return fail(at, 'only one "::"');
      gapAt = count;
      gapPosition = at - 1;
      at += 1;
    }
  }
  if (count < GROUPS) {
    if (gapAt < 0) return fail(end, 'eight groups or "::"');
    groups.copyWithin(GROUPS - (count - gapAt), gapAt, count);
    groups.fill(0, gapAt, GROUPS - (count - gapAt));
  } else if (gapAt >= 0) {
    return fail(gapPosition, '":", for all eight groups are there');
  }
  if (end === length) return Addr.v6(word(0), word(2), word(4), word(6));
  const odd = oddInZone(text, end + 1);
  if (odd >= 0) return fail(odd, 'a zone of printable characters other than "/", ":" and "%"');
  return Addr.v6(word(0), word(2), word(4), word(6), text.slice(end + 1));
}

/** The first character from `start` that no name of an interface has, or -1 (Linux dev_valid_name). */
function oddInZone(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const isOdd = code <= SPACE || code === DELETE;
    if (isOdd || code === SLASH || code === COLON || code === PERCENT) return at;
  }
  return -1;
}

function word(index: number): number {
  return ((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}
