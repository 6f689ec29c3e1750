/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed hash that DNS cookies are made with (RFC 9018
 * section 4.4). JavaScript has no 64-bit integers that cost nothing, so each of the four words of
 * the state is a pair of 32-bit ones, the lower first.
 */

const KEY_BYTES = 16;
const HASH_BYTES = 8;

/** Hashes short messages under one key without allocating. */
export class SipHash {
  readonly #key: Int32Array;
  readonly #v = new Int32Array(8);

  /** Throws RangeError unless the key has 16 octets. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`SipHash takes ${KEY_BYTES} octets of key`);
    this.#key = Int32Array.from({ length: 4 }, (_, word) => word32(key, word * 4));
  }

  /** Writes the hash of `data[0..length]` to `out[at..at + 8]`. */
  hash(data: Uint8Array, length: number, out: Uint8Array, at: number): void {
    const v = this.#v;
    const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = this.#key;
    v[0] = 0x70736575 ^ k0;
    v[1] = 0x736f6d65 ^ k1;
    v[2] = 0x6e646f6d ^ k2;
    v[3] = 0x646f7261 ^ k3;
    v[4] = 0x6e657261 ^ k0;
    v[5] = 0x6c796765 ^ k1;
    v[6] = 0x79746573 ^ k2;
    v[7] = 0x74656462 ^ k3;
    const whole = length & ~7;
    for (let from = 0; from < whole; from += 8) {
      this.#compress(word32(data, from), word32(data, from + 4));
    }
    // The last block is what is left over, with the length in its highest octet.
    let low = 0;
    let high = (length & 255) << 24;
    for (let index = 0; index < length - whole; index += 1) {
      const octet = data[whole + index] ?? 0;
      if (index < 4) low |= octet << (8 * index);
      else high |= octet << (8 * (index - 4));
    }
    this.#compress(low, high);
    v[4] = (v[4] ?? 0) ^ 0xff;
    for (let round = 0; round < 4; round += 1) this.#round();
    for (let half = 0; half < 2; half += 1) {
      const word = (v[half] ?? 0) ^ (v[2 + half] ?? 0) ^ (v[4 + half] ?? 0) ^ (v[6 + half] ?? 0);
      for (let octet = 0; octet < HASH_BYTES / 2; octet += 1) {
        out[at + half * 4 + octet] = word >>> (8 * octet);
      }
    }
  }

  #compress(low: number, high: number): void {
    const v = this.#v;
    v[6] = (v[6] ?? 0) ^ low;
    v[7] = (v[7] ?? 0) ^ high;
    this.#round();
    this.#round();
    v[0] = (v[0] ?? 0) ^ low;
    v[1] = (v[1] ?? 0) ^ high;
  }

  #round(): void {
    const v = this.#v;
    add(v, 0, 2);
    add(v, 4, 6);
    rotateXor(v, 2, 13, 0);
    rotateXor(v, 6, 16, 4);
    swap(v, 0);
    add(v, 4, 2);
    add(v, 0, 6);
    rotateXor(v, 2, 17, 4);
    rotateXor(v, 6, 21, 0);
    swap(v, 4);
  }
}

/** v[to] += v[from], 64 bits. */
function add(v: Int32Array, to: number, from: number): void {
  const low = ((v[to] ?? 0) + (v[from] ?? 0)) | 0;
  const carry = low >>> 0 < (v[from] ?? 0) >>> 0 ? 1 : 0;
  v[to + 1] = (v[to + 1] ?? 0) + (v[from + 1] ?? 0) + carry;
  v[to] = low;
}

/** v[word] = (v[word] rotated left by `bits`, under 32) xor v[other]. */
function rotateXor(v: Int32Array, word: number, bits: number, other: number): void {
  const low = v[word] ?? 0;
  const high = v[word + 1] ?? 0;
  v[word] = ((low << bits) | (high >>> (32 - bits))) ^ (v[other] ?? 0);
  v[word + 1] = ((high << bits) | (low >>> (32 - bits))) ^ (v[other + 1] ?? 0);
}

/** v[word] rotated by 32 bits. */
function swap(v: Int32Array, word: number): void {
  const low = v[word] ?? 0;
  v[word] = v[word + 1] ?? 0;
  v[word + 1] = low;
}

function word32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}
