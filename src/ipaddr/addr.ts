import { formatAddr } from './format.ts';

/**
 * An IPv4 address, or an IPv6 address with its zone (RFC 4007), as an immutable value.
 *
 * Both families live in four 32-bit words, most significant first; an IPv4 address has all its
 * bits in the last one, and `family` tells it from the IPv6 address with the same words. Unlike
 * strings or bigints, words compare and mask without allocating.
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
    return new Addr(4, 0, 0, 0, value >>> 0, '');
  }

  /** The IPv6 address of four 32-bit words, most significant first. */
  static v6(w0: number, w1: number, w2: number, w3: number, zone = ''): Addr {
    return new Addr(6, w0 >>> 0, w1 >>> 0, w2 >>> 0, w3 >>> 0, zone);
  }

  /** The address in network byte order: 4 octets are IPv4, 16 are IPv6. Throws RangeError. */
  static fromBytes(bytes: Uint8Array): Addr {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length === 4) return Addr.v4(view.getUint32(0));
    if (bytes.length === 16) {
      const [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => view.getUint32(at)) as [
        number,
        number,
        number,
        number,
      ];
      return Addr.v6(w0, w1, w2, w3);
    }
    throw new RangeError(`an IP address has 4 or 16 octets, got ${bytes.length}`);
  }

  /** The address in network byte order: 4 or 16 octets. The zone is not part of it. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.bits / 8);
    const view = new DataView(bytes.buffer);
    if (this.family === 4) {
      view.setUint32(0, this.w3);
    } else {
      view.setUint32(0, this.w0);
      view.setUint32(4, this.w1);
      view.setUint32(8, this.w2);
      view.setUint32(12, this.w3);
    }
    return bytes;
  }

  /** How many bits an address of the family has. */
  get bits(): 32 | 128 {
    return this.family === 4 ? 32 : 128;
  }

  /** A key for a Map: equal exactly for equal addresses. A number for IPv4. */
  get key(): string | number {
    return this.family === 4 ? this.w3 : this.toString();
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
    if (this.family !== other.family) return this.family - other.family;
    if (this.w0 !== other.w0) return this.w0 - other.w0;
    if (this.w1 !== other.w1) return this.w1 - other.w1;
    if (this.w2 !== other.w2) return this.w2 - other.w2;
    if (this.w3 !== other.w3) return this.w3 - other.w3;
    if (this.zone === other.zone) return 0;
    return this.zone < other.zone ? -1 : 1;
  }

  /** The address after this one, or undefined after the last of the family. */
  next(): Addr | undefined {
    if (this.w3 !== 0xffffffff) return this.#with(this.w0, this.w1, this.w2, this.w3 + 1);
    if (this.family === 4) return undefined;
    if (this.w2 !== 0xffffffff) return this.#with(this.w0, this.w1, this.w2 + 1, 0);
    if (this.w1 !== 0xffffffff) return this.#with(this.w0, this.w1 + 1, 0, 0);
    if (this.w0 !== 0xffffffff) return this.#with(this.w0 + 1, 0, 0, 0);
    return undefined;
  }

  /** The address before this one, or undefined before the first of the family. */
  prev(): Addr | undefined {
    const max = 0xffffffff;
    if (this.w3 !== 0) return this.#with(this.w0, this.w1, this.w2, this.w3 - 1);
    if (this.family === 4) return undefined;
    if (this.w2 !== 0) return this.#with(this.w0, this.w1, this.w2 - 1, max);
    if (this.w1 !== 0) return this.#with(this.w0, this.w1 - 1, max, max);
    if (this.w0 !== 0) return this.#with(this.w0 - 1, max, max, max);
    return undefined;
  }

  /** The IPv4 address inside an IPv4-mapped one (RFC 4291 2.5.5.2); any other address itself. */
  unmap(): Addr {
    const mapped = this.family === 6 && this.w0 === 0 && this.w1 === 0 && this.w2 === 0xffff;
    return mapped ? Addr.v4(this.w3) : this;
  }

  /** The text form: dotted decimal, or RFC 5952 with the zone after `%`. */
  toString(): string {
    return formatAddr(this);
  }

  #with(w0: number, w1: number, w2: number, w3: number): Addr {
    return new Addr(this.family, w0, w1, w2, w3, this.zone);
  }
}
