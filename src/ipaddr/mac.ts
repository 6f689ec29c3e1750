const TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** A 48-bit hardware address (IEEE EUI-48), immutable. */
export class Mac {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Throws RangeError unless there are six octets. */
  static fromBytes(bytes: Uint8Array): Mac {
    if (bytes.length !== 6) throw new RangeError(`a MAC has 6 octets, got ${bytes.length}`);
    return new Mac(bytes.slice());
  }

  /** A copy of the six octets. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  equals(other: Mac): boolean {
    return this.#bytes.every((octet, at) => octet === other.#bytes[at]);
  }

  /** Lower case, colons between: `0a:58:0a:f4:00:02`. */
  toString(): string {
    return Array.from(this.#bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':');
  }
}

/** Reads `aa:bb:cc:dd:ee:ff`; undefined for anything else. */
export function tryParseMac(text: string): Mac | undefined {
  if (!TEXT.test(text)) return undefined;
  return Mac.fromBytes(Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16)));
}
