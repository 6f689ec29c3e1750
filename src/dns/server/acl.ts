import { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';

const PREFIXES_MAX = 10_000;

/**
 * Which clients may ask, as sorted ranges: a look-up is a binary search that allocates nothing. It can
 * be sent to another thread as `ranges`.
 */
export class Acl {
  /** First and last address of each range, four words each, in order and apart. */
  readonly ranges: Uint32Array;

  constructor(ranges: Uint32Array) {
    this.ranges = ranges;
  }

  /** Throws RangeError for more prefixes than anybody needs. */
  static of(prefixes: readonly Prefix[]): Acl {
    if (prefixes.length > PREFIXES_MAX) {
      throw new RangeError(`access list: expected at most ${PREFIXES_MAX} prefixes`);
    }
    const sorted = prefixes
      .map((prefix) => ({ first: mapped(prefix.first()), last: mapped(prefix.last()) }))
      .sort((a, b) => a.first.compare(b.first));
    const merged: { first: Addr; last: Addr }[] = [];
    for (const range of sorted) {
      const before = merged.at(-1);
      if (before === undefined || before.last.compare(range.first) < 0) merged.push({ ...range });
      else if (before.last.compare(range.last) < 0) before.last = range.last;
    }
    const words = merged.flatMap(({ first, last }) => [first, last]);
    return new Acl(Uint32Array.from(words.flatMap(({ w0, w1, w2, w3 }) => [w0, w1, w2, w3])));
  }

  /** Whether the address, 4 or 16 octets, is in a range. */
  permits(address: Uint8Array): boolean {
    let low = 0;
    let high = this.ranges.length / 8 - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(address, middle * 8) < 0) high = middle - 1;
      else if (this.#compare(address, middle * 8 + 4) > 0) low = middle + 1;
      else return true;
    }
    return false;
  }

  #compare(address: Uint8Array, at: number): number {
    for (let word = 0; word < 4; word += 1) {
      const difference = wordOf(address, word) - (this.ranges[at + word] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** IPv4 addresses are kept as mapped ones (RFC 4291 section 2.5.5.2), so that one list does. */
function mapped(addr: Addr): Addr {
  return addr.family === 4 ? Addr.v6(0, 0, 0xffff, addr.w3) : addr;
}

function wordOf(address: Uint8Array, word: number): number {
  if (address.length === 4) {
    if (word < 2) return 0;
    return word === 2 ? 0xffff : octets(address, 0);
  }
  return octets(address, word * 4);
}

function octets(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return high * 0x1_0000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
}
