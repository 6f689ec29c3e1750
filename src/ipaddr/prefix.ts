import { Addr } from './addr.ts';
import { AddrSyntaxError, parseAddr, tryParseAddr } from './parse-addr.ts';

/**
 * An address with the length of its network prefix, such as 10.1.2.3/24 (RFC 4632). The host bits
 * are kept, for an interface's address is written this way; `masked()` clears them.
 */
export class Prefix {
  readonly addr: Addr;
  readonly bits: number;

  private constructor(addr: Addr, bits: number) {
    this.addr = addr;
    this.bits = bits;
  }

  /** Throws RangeError when the family has fewer bits. A zone is dropped: no prefix has one. */
  static of(addr: Addr, bits: number): Prefix {
    if (!Number.isInteger(bits) || bits < 0 || bits > addr.bits) {
      throw new RangeError(`prefix length of ${addr} must be from 0 to ${addr.bits}, got ${bits}`);
    }
    return new Prefix(addr.withZone(''), bits);
  }

  /** The prefix with its host bits zero. */
  masked(): Prefix {
    return new Prefix(this.first(), this.bits);
  }

  /** Whether the address is in the prefix, in whatever zone; never across families. */
  contains(addr: Addr): boolean {
    const own = this.addr;
    if (own.family !== addr.family) return false;
    if (own.family === 4) return startsAlike(own.w3, addr.w3, this.bits);
    // Word by word, as long as they are alike.
    if (this.bits <= 32 || own.w0 !== addr.w0) return startsAlike(own.w0, addr.w0, this.bits);
    if (this.bits <= 64 || own.w1 !== addr.w1) return startsAlike(own.w1, addr.w1, this.bits - 32);
    if (this.bits <= 96 || own.w2 !== addr.w2) return startsAlike(own.w2, addr.w2, this.bits - 64);
    return startsAlike(own.w3, addr.w3, this.bits - 96);
  }

  /** Whether the two have an address in common. */
  overlaps(other: Prefix): boolean {
    return this.bits <= other.bits ? this.contains(other.addr) : other.contains(this.addr);
  }

  /** The first address: the network's own. */
  first(): Addr {
    const { addr, bits } = this;
    if (addr.family === 4) return Addr.v4(addr.w3 & mask(bits));
    return Addr.v6(
      addr.w0 & mask(bits),
      addr.w1 & mask(bits - 32),
      addr.w2 & mask(bits - 64),
      addr.w3 & mask(bits - 96),
    );
  }

  /** The last address: for IPv4 the directed broadcast address. */
  last(): Addr {
    const { addr, bits } = this;
    if (addr.family === 4) return Addr.v4(addr.w3 | ~mask(bits));
    return Addr.v6(
      addr.w0 | ~mask(bits),
      addr.w1 | ~mask(bits - 32),
      addr.w2 | ~mask(bits - 64),
      addr.w3 | ~mask(bits - 96),
    );
  }

  /** Whether the whole of the other prefix is in this one. */
  covers(other: Prefix): boolean {
    return this.bits <= other.bits && this.contains(other.addr);
  }

  /** How many addresses there are. */
  get size(): bigint {
    return 1n << BigInt(this.addr.bits - this.bits);
  }

  /** A total order: by address, then the shorter prefix first. Negative, 0 or positive. */
  compare(other: Prefix): number {
    return this.addr.compare(other.addr) || this.bits - other.bits;
  }

  /** A key for a Map: equal exactly for equal prefixes. A number for IPv4, as Addr's key is. */
  get key(): string | number {
    const { key } = this.addr;
    return typeof key === 'number'
      ? key * KEY_STEP + this.bits
      : key + String.fromCharCode(this.bits);
  }

  equals(other: Prefix): boolean {
    return this.bits === other.bits && this.addr.equals(other.addr);
  }

  toString(): string {
    return `${this.addr}/${this.bits}`;
  }
}

/** More than IPv4 has lengths. */
const KEY_STEP = 64;

/** Whether two words have the same first `bits` bits; from 32 on, whether they are the same. */
function startsAlike(a: number, b: number, bits: number): boolean {
  return a === b || bits === 0 || (bits < 32 && (a ^ b) >>> (32 - bits) === 0);
}

/** The 32-bit mask with `bits` leading ones; below 0 it has none, above 32 all. */
function mask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

const SYNTAX = 'IP prefix';

/** Reads `address/length`. Strict, as parseAddr is. Throws AddrSyntaxError. */
export function parsePrefix(text: string): Prefix {
  const slash = text.lastIndexOf('/');
  if (slash < 0) throw new AddrSyntaxError(text, text.length, '"/" and a prefix length', SYNTAX);
  let addr: Addr;
  try {
    addr = parseAddr(text.slice(0, slash));
  } catch (error) {
    if (!(error instanceof AddrSyntaxError)) throw error;
    throw new AddrSyntaxError(text, error.position, error.expected, SYNTAX);
  }
  if (addr.zone !== '') {
    throw new AddrSyntaxError(text, text.indexOf('%'), '"/", for a prefix has no zone', SYNTAX);
  }
  const bits = parseBits(text.slice(slash + 1), addr);
  if (bits === undefined) {
    const expected = `a prefix length from 0 to ${addr.bits}`;
    throw new AddrSyntaxError(text, slash + 1, expected, SYNTAX);
  }
  return Prefix.of(addr, bits);
}

/** As parsePrefix, but gives undefined for what is not a prefix. */
export function tryParsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return undefined;
  const addr = tryParseAddr(text.slice(0, slash));
  if (addr === undefined || addr.zone !== '') return undefined;
  const bits = parseBits(text.slice(slash + 1), addr);
  return bits === undefined ? undefined : Prefix.of(addr, bits);
}

function parseBits(digits: string, addr: Addr): number | undefined {
  const bits = Number(digits);
  return /^(0|[1-9][0-9]{0,2})$/.test(digits) && bits <= addr.bits ? bits : undefined;
}
