import type { Arena } from './arena.ts';
import {
  LEAF_ADDRESS_BYTES,
  LEAF_HEADER_BYTES,
  LEAF_NAMES,
  LEAF_SERVICES,
  NODE_BIT,
  NODE_BYTES,
  NODE_CHILDREN,
} from './format.ts';

/*
 * Addresses and the names they lead back to, in a crit-bit tree (Bernstein): a node says at which bit
 * the addresses below it first differ. So one walk finds an address, and also whether there is any
 * with a prefix, which is what a reverse name with fewer labels asks: thirty names in between for
 * each IPv6 address need not be kept. A change is one pointer, so the tree can be read meanwhile.
 */

/** The leaf of the address `bytes[at..]` of `lengthBytes` octets, or 0. Does not allocate. */
export function findAddress(
  words: Uint32Array,
  memory: Uint8Array,
  rootWord: number,
  bytes: Uint8Array,
  lengthBytes: number,
): number {
  const leaf = walk(words, rootWord, bytes, lengthBytes * 8);
  return leaf !== 0 && sharesBits(memory, leaf, bytes, lengthBytes * 8) ? leaf : 0;
}

/** Whether an address begins with the first `bits` of `bytes`. Does not allocate. */
export function hasPrefix(
  words: Uint32Array,
  memory: Uint8Array,
  rootWord: number,
  bytes: Uint8Array,
  bits: number,
): boolean {
  const leaf = walk(words, rootWord, bytes, bits);
  return leaf !== 0 && sharesBits(memory, leaf, bytes, bits);
}

/** Goes by the first `bits` of the address, and left after that; gives a leaf, or 0 in an empty tree. */
function walk(words: Uint32Array, rootWord: number, bytes: Uint8Array, bits: number): number {
  let at = Atomics.load(words, rootWord);
  while ((at & 1) !== 0) {
    const node = at & ~1;
    const bit = words[(node + NODE_BIT) >>> 2] ?? 0;
    const side = bit < bits ? bitOf(bytes, 0, bit) : 0;
    at = Atomics.load(words, ((node + NODE_CHILDREN) >>> 2) + side);
  }
  return at;
}

function bitOf(bytes: Uint8Array, start: number, bit: number): number {
  return ((bytes[start + (bit >>> 3)] ?? 0) >>> (7 - (bit & 7))) & 1;
}

function sharesBits(memory: Uint8Array, leaf: number, bytes: Uint8Array, bits: number): boolean {
  const start = leaf + LEAF_HEADER_BYTES;
  const whole = bits >>> 3;
  for (let at = 0; at < whole; at += 1) {
    if (memory[start + at] !== bytes[at]) return false;
  }
  const rest = bits & 7;
  if (rest === 0) return true;
  return ((memory[start + whole] ?? 0) ^ (bytes[whole] ?? 0)) >>> (8 - rest) === 0;
}

/** A name an address leads back to. */
export interface BackName {
  readonly isService: boolean;
  /** In wire form, relative to the zone and without the root. */
  readonly name: Uint8Array;
}

/** Changes a tree; one for each family. */
export class AddressTreeWriter {
  readonly #arena: Arena;
  readonly #rootWord: number;

  /** The offset of the root is kept in the header's word `rootWord`. */
  constructor(arena: Arena, rootWord: number) {
    this.#arena = arena;
    this.#rootWord = rootWord;
  }

  /** Has the address lead back to `name`, too. */
  add(address: Uint8Array, name: BackName): void {
    const { words, bytes } = this.#arena;
    const known = findAddress(words, bytes, this.#rootWord, address, address.length);
    const names = known === 0 ? [] : this.#namesOf(known);
    if (names.some((each) => isSameName(each, name))) return;
    this.#put(address, [...names, name]);
  }

  /** Has the address no longer lead back to `name`. */
  remove(address: Uint8Array, name: BackName): void {
    const { words, bytes } = this.#arena;
    const known = findAddress(words, bytes, this.#rootWord, address, address.length);
    if (known === 0) return;
    const names = this.#namesOf(known).filter((each) => !isSameName(each, name));
    if (names.length > 0) this.#put(address, names);
    else this.#delete(address);
  }

  #put(address: Uint8Array, names: readonly BackName[]): void {
    const leaf = this.#storeLeaf(address, names);
    const { words, bytes } = this.#arena;
    const nearest = walk(words, this.#rootWord, address, address.length * 8);
    if (nearest === 0) {
      Atomics.store(words, this.#rootWord, leaf);
      return;
    }
    const differs = firstDifference(bytes, nearest, address);
    // The pointer to put the leaf behind: the first that leads past the bit in which it differs.
    let word = this.#rootWord;
    for (;;) {
      const at = words[word] ?? 0;
      if ((at & 1) === 0) break;
      const bit = words[((at & ~1) + NODE_BIT) >>> 2] ?? 0;
      if (bit > differs) break;
      word = (((at & ~1) + NODE_CHILDREN) >>> 2) + bitOf(address, 0, bit);
    }
    const before = words[word] ?? 0;
    if (differs === address.length * 8) {
      Atomics.store(words, word, leaf);
      this.#arena.retire(before);
      return;
    }
    const node = this.#arena.allocate(NODE_BYTES);
    const side = bitOf(address, 0, differs);
    words[(node + NODE_BIT) >>> 2] = differs;
    words[((node + NODE_CHILDREN) >>> 2) + side] = leaf;
    words[((node + NODE_CHILDREN) >>> 2) + 1 - side] = before;
    Atomics.store(words, word, node | 1);
  }

  #delete(address: Uint8Array): void {
    const { words } = this.#arena;
    let parentWord = -1;
    let word = this.#rootWord;
    let side = 0;
    while (((words[word] ?? 0) & 1) !== 0) {
      const node = (words[word] ?? 0) & ~1;
      side = bitOf(address, 0, words[(node + NODE_BIT) >>> 2] ?? 0);
      parentWord = word;
      word = ((node + NODE_CHILDREN) >>> 2) + side;
    }
    const leaf = words[word] ?? 0;
    if (parentWord < 0) {
      Atomics.store(words, this.#rootWord, 0);
    } else {
      const node = (words[parentWord] ?? 0) & ~1;
      const other = words[((node + NODE_CHILDREN) >>> 2) + 1 - side] ?? 0;
      Atomics.store(words, parentWord, other);
      this.#arena.retire(node);
    }
    this.#arena.retire(leaf);
  }

  #namesOf(leaf: number): BackName[] {
    const { bytes } = this.#arena;
    return backNames(bytes, leaf).map(({ isService, start, lengthBytes }) => ({
      isService,
      name: bytes.slice(start, start + lengthBytes),
    }));
  }

  #storeLeaf(address: Uint8Array, names: readonly BackName[]): number {
    const sorted = [
      ...names.filter(({ isService }) => isService),
      ...names.filter(({ isService }) => !isService),
    ];
    const size = sorted.reduce((sum, { name }) => sum + 2 + name.length, 0);
    const leaf = this.#arena.allocate(LEAF_HEADER_BYTES + address.length + size);
    const { bytes } = this.#arena;
    bytes[leaf + LEAF_ADDRESS_BYTES] = address.length;
    bytes[leaf + LEAF_SERVICES] = Math.min(
      255,
      names.reduce((count, { isService }) => count + (isService ? 1 : 0), 0),
    );
    bytes[leaf + LEAF_NAMES] = names.length & 255;
    bytes[leaf + LEAF_NAMES + 1] = names.length >>> 8;
    bytes.set(address, leaf + LEAF_HEADER_BYTES);
    let at = leaf + LEAF_HEADER_BYTES + address.length;
    for (const { isService, name } of sorted) {
      bytes[at] = isService ? 1 : 0;
      bytes[at + 1] = name.length;
      bytes.set(name, at + 2);
      at += 2 + name.length;
    }
    return leaf;
  }
}

/** Where the names of a leaf are; a Service's address leads back to Services alone. */
export function backNames(
  bytes: Uint8Array,
  leaf: number,
): { readonly isService: boolean; readonly start: number; readonly lengthBytes: number }[] {
  const count = (bytes[leaf + LEAF_NAMES] ?? 0) | ((bytes[leaf + LEAF_NAMES + 1] ?? 0) << 8);
  let at = leaf + LEAF_HEADER_BYTES + (bytes[leaf + LEAF_ADDRESS_BYTES] ?? 0);
  return Array.from({ length: count }, () => {
    const lengthBytes = bytes[at + 1] ?? 0;
    const name = { isService: bytes[at] === 1, start: at + 2, lengthBytes };
    at += 2 + lengthBytes;
    return name;
  });
}

/** The first bit in which the leaf's address is another, or how many there are when none is. */
function firstDifference(bytes: Uint8Array, leaf: number, address: Uint8Array): number {
  for (let at = 0; at < address.length; at += 1) {
    const difference = (bytes[leaf + LEAF_HEADER_BYTES + at] ?? 0) ^ (address[at] ?? 0);
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24;
  }
  return address.length * 8;
}

function isSameName(one: BackName, other: BackName): boolean {
  return (
    one.isService === other.isService &&
    one.name.length === other.name.length &&
    one.name.every((octet, at) => octet === other.name[at])
  );
}
