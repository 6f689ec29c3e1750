import { AddrSyntaxError } from './parse-addr.ts';

const OCTETS = 6;
const TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** A 48-bit hardware address (IEEE EUI-48), immutable. */
export class Mac {
  /** The value of all 48 bits, and a key for a Map: equal exactly for equal addresses. */
  readonly key: number;

  private constructor(key: number) {
    this.key = key;
  }

  /** Throws RangeError unless there are six octets. */
  static fromBytes(bytes: Uint8Array): Mac {
    if (bytes.length !== OCTETS) {
      throw new RangeError(`a MAC has ${OCTETS} octets, got ${bytes.length}`);
    }
    return new Mac(bytes.reduce((value, octet) => value * 256 + octet, 0));
  }

  /** The six octets, in the order they are sent. */
  toBytes(): Uint8Array {
    return Uint8Array.from({ length: OCTETS }, (_, at) => this.#octet(at));
  }

  /** Whether it stands for a group of receivers (IEEE 802, the I/G bit). */
  get isMulticast(): boolean {
    return (this.#octet(0) & 1) !== 0;
  }

  /** Whether no manufacturer gave it out (IEEE 802, the U/L bit). */
  get isLocal(): boolean {
    return (this.#octet(0) & 2) !== 0;
  }

  equals(other: Mac): boolean {
    return this.key === other.key;
  }

  /** A total order, by value. Negative, 0 or positive. */
  compare(other: Mac): number {
    return this.key - other.key;
  }

  /** Lower case, colons between: `0a:58:0a:f4:00:02`. */
  toString(): string {
    return Array.from(this.toBytes(), (octet) => octet.toString(16).padStart(2, '0')).join(':');
  }

  #octet(at: number): number {
    // Bit operators would see the lower 32 of the 48 bits alone.
    return Math.floor(this.key / 256 ** (OCTETS - 1 - at)) % 256;
  }
}

/** Reads `aa:bb:cc:dd:ee:ff`. Throws AddrSyntaxError. */
export function parseMac(text: string): Mac {
  const mac = tryParseMac(text);
  if (mac === undefined) {
    throw new AddrSyntaxError(
      text,
      oddCharacter(text),
      'six octets as "0a:58:0a:f4:00:02"',
      'MAC address',
    );
  }
  return mac;
}

/** As parseMac, but gives undefined for what is not a MAC address. */
export function tryParseMac(text: string): Mac | undefined {
  if (!TEXT.test(text)) return undefined;
  return Mac.fromBytes(Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16)));
}

/** Where the text stops looking like a MAC address. */
function oddCharacter(text: string): number {
  const length = OCTETS * 3 - 1;
  for (let at = 0; at < Math.min(text.length, length); at += 1) {
    const fits = at % 3 === 2 ? text[at] === ':' : /[0-9a-f]/i.test(text[at] ?? '');
    if (!fits) return at;
  }
  return Math.min(text.length, length);
}
