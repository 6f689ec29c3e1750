import { formatAddr } from './format.ts';

/**
 * An IPv4 address, or an IPv6 address with its zone (RFC 4007), as an immutable value.
 *
 * Both families live in four 32-bit words, most significant first; an IPv4 address has all its
 * bits in the last one, and `family` tells it from the IPv6 address with the same words. The words
 * are signed, as JavaScript's bit operators give them: V8 keeps those in the object itself, where
 * larger numbers would each be an object of their own. `>>> 0` gives the unsigned value.
 */
export class Addr {
  readonly family: 4 | 6;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  /** The IPv6 zone, such as `eth0`, or empty. */
  readonly zone: string;

  private constructor(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, zone: string) {
    this.family = family;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
    this.zone = zone;
  }

  /** The IPv4 address with the 32-bit value: 0x7f000001 is 127.0.0.1. */
  static v4(value: number): Addr {
    return new Addr(4, 0, 0, 0, value | 0, '');
  }

  /** The IPv6 address of four 32-bit words, most significant first. */
  static v6(w0: number, w1: number, w2: number, w3: number, zone = ''): Addr {
    return new Addr(6, w0 | 0, w1 | 0, w2 | 0, w3 | 0, zone);
  }

  /** The address whose octets are given in network byte order: 4 are IPv4, 16 IPv6. Throws RangeError. */
  static fromBytes(bytes: Uint8Array): Addr {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length === 4) return Addr.v4(view.getInt32(0));
    if (bytes.length === 16) {
      return Addr.v6(view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12));
    }
    throw new RangeError(`an IP address has 4 or 16 octets, got ${bytes.length}`);
  }

  /** The address of the family with the value; undefined below zero and beyond the last one. */
  static fromBigInt(family: 4 | 6, value: bigint): Addr | undefined {
    if (value < 0n || value >> (family === 4 ? 32n : 128n) !== 0n) return undefined;
    const word = (shift: bigint): number => Number(BigInt.asIntN(32, value >> shift));
    return family === 4 ? Addr.v4(word(0n)) : Addr.v6(word(96n), word(64n), word(32n), word(0n));
  }

  /** The address in network byte order: 4 or 16 octets. The zone is not part of it. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.bits / 8);
    const view = new DataView(bytes.buffer);
    if (this.family === 4) {
      view.setInt32(0, this.w3);
    } else {
      view.setInt32(0, this.w0);
      view.setInt32(4, this.w1);
      view.setInt32(8, this.w2);
      view.setInt32(12, this.w3);
    }
    return bytes;
  }

  /** The value of all bits. The zone is not part of it. */
  toBigInt(): bigint {
    const low = BigInt(this.w3 >>> 0);
    if (this.family === 4) return low;
    const high = (BigInt(this.w0 >>> 0) << 32n) | BigInt(this.w1 >>> 0);
    return (high << 64n) | (BigInt(this.w2 >>> 0) << 32n) | low;
  }

  /** How many bits an address of the family has. */
  get bits(): 32 | 128 {
    return this.family === 4 ? 32 : 128;
  }

  /**
   * A key for a Map: equal exactly for equal addresses. IPv4 gives a number; IPv6 its eight groups
   * as the code units of a string, with the zone behind, which is not meant to be read.
   */
  get key(): string | number {
    if (this.family === 4) return this.w3 >>> 0;
    const { w0, w1, w2, w3, zone } = this;
    const key = String.fromCharCode(
      w0 >>> 16,
      w0 & 0xffff,
      w1 >>> 16,
      w1 & 0xffff,
      w2 >>> 16,
      w2 & 0xffff,
      w3 >>> 16,
      w3 & 0xffff,
    );
    return zone === '' ? key : key + zone;
  }

  /** Whether it is the same address of the same family in the same zone. */
  equals(other: Addr): boolean {
    return (
      this.w3 === other.w3 &&
      this.w2 === other.w2 &&
      this.w1 === other.w1 &&
      this.w0 === other.w0 &&
      this.family === other.family &&
      this.zone === other.zone
    );
  }

  /** A total order: IPv4 before IPv6, then by value, then by zone. Negative, 0 or positive. */
  compare(other: Addr): number {
    const order = this.compareValue(other);
    if (order !== 0 || this.zone === other.zone) return order;
    return this.zone < other.zone ? -1 : 1;
  }

  /** As compare, but without regard to zones. */
  compareValue(other: Addr): number {
    if (this.family !== other.family) return this.family - other.family;
    if (this.w0 !== other.w0) return this.w0 >>> 0 < other.w0 >>> 0 ? -1 : 1;
    if (this.w1 !== other.w1) return this.w1 >>> 0 < other.w1 >>> 0 ? -1 : 1;
    if (this.w2 !== other.w2) return this.w2 >>> 0 < other.w2 >>> 0 ? -1 : 1;
    if (this.w3 !== other.w3) return this.w3 >>> 0 < other.w3 >>> 0 ? -1 : 1;
    return 0;
  }

  /** The address after this one, or undefined after the last of the family. */
  next(): Addr | undefined {
    if (this.w3 !== -1) return this.#with(this.w0, this.w1, this.w2, this.w3 + 1);
    if (this.family === 4) return undefined;
    if (this.w2 !== -1) return this.#with(this.w0, this.w1, this.w2 + 1, 0);
    if (this.w1 !== -1) return this.#with(this.w0, this.w1 + 1, 0, 0);
    if (this.w0 !== -1) return this.#with(this.w0 + 1, 0, 0, 0);
    return undefined;
  }

  /** The address before this one, or undefined before the first of the family. */
  prev(): Addr | undefined {
    if (this.w3 !== 0) return this.#with(this.w0, this.w1, this.w2, this.w3 - 1);
    if (this.family === 4) return undefined;
    if (this.w2 !== 0) return this.#with(this.w0, this.w1, this.w2 - 1, -1);
    if (this.w1 !== 0) return this.#with(this.w0, this.w1 - 1, -1, -1);
    if (this.w0 !== 0) return this.#with(this.w0 - 1, -1, -1, -1);
    return undefined;
  }

  /** The address `count` further on, back when it is negative; undefined outside the family. */
  plus(count: bigint | number): Addr | undefined {
    const moved = Addr.fromBigInt(this.family, this.toBigInt() + BigInt(count));
    return moved === undefined || this.zone === ''
      ? moved
      : this.#with(moved.w0, moved.w1, moved.w2, moved.w3);
  }

  /** How many addresses further on this is than `other`. Throws RangeError across families. */
  minus(other: Addr): bigint {
    if (this.family !== other.family) {
      throw new RangeError(`no distance between ${this} and ${other}`);
    }
    return this.toBigInt() - other.toBigInt();
  }

  /** The IPv4 address inside an IPv4-mapped one (RFC 4291 2.5.5.2); any other address itself. */
  unmap(): Addr {
    const mapped = this.family === 6 && this.w0 === 0 && this.w1 === 0 && this.w2 === 0xffff;
    return mapped ? Addr.v4(this.w3) : this;
  }

  /** The same address in another zone, or in none. IPv4 has no zones and stays as it is. */
  withZone(zone: string): Addr {
    if (this.family === 4 || zone === this.zone) return this;
    return Addr.v6(this.w0, this.w1, this.w2, this.w3, zone);
  }

  /** The text form: dotted decimal, or RFC 5952 with the zone after `%`. */
  toString(): string {
    return formatAddr(this);
  }

  #with(w0: number, w1: number, w2: number, w3: number): Addr {
    return new Addr(this.family, w0 | 0, w1 | 0, w2 | 0, w3 | 0, this.zone);
  }
}
