import { Addr } from '../addr.ts';

/** How many entries a node of the tree holds at most. */
export const ENTRIES_MAX = 64;
/** With fewer, a node gets some from its neighbour, or joins it. */
export const ENTRIES_MIN = ENTRIES_MAX / 4;

/**
 * A node of the tree of runs. A leaf's entries are runs, each as its first and its last address. An
 * inner node's are children, each with the first address of its first run. Entries are packed: one
 * word for an address of IPv4, four of IPv6.
 */
export class Node {
  readonly family: 4 | 6;
  readonly words: Uint32Array;
  /** Of an inner node, one for each entry; undefined in a leaf. */
  readonly children: Node[] | undefined;
  count = 0;
  /** Of a leaf: the one with the runs that follow. */
  next: Node | undefined;

  constructor(family: 4 | 6, isLeaf: boolean) {
    this.family = family;
    this.children = isLeaf ? undefined : [];
    this.words = new Uint32Array(ENTRIES_MAX * entryWords(family));
  }

  /** The entry with the greatest first address that is not after `addr`; -1 for none. O(log n). */
  indexOf(addr: Addr): number {
    const { words } = this;
    const isV4 = this.family === 4;
    const value = addr.w3 >>> 0;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const isUpTo = isV4
        ? (words[middle * 2] ?? 0) <= value
        : this.compareFirst(middle, addr) <= 0;
      if (isUpTo) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Negative, 0 or positive as the last address of a run is before, at or after `addr`. */
  compareLast(index: number, addr: Addr): number {
    return this.#compare(index * entryWords(this.family) + addrWords(this.family), addr);
  }

  /** Negative, 0 or positive as the first address of an entry is before, at or after `addr`. */
  compareFirst(index: number, addr: Addr): number {
    return this.#compare(index * entryWords(this.family), addr);
  }

  first(index: number): Addr {
    return this.#addr(index * entryWords(this.family));
  }

  last(index: number): Addr {
    return this.#addr(index * entryWords(this.family) + addrWords(this.family));
  }

  setFirst(index: number, addr: Addr): void {
    this.#setAddr(index * entryWords(this.family), addr);
  }

  setLast(index: number, addr: Addr): void {
    this.#setAddr(index * entryWords(this.family) + addrWords(this.family), addr);
  }

  /** Makes room for an entry at `index`, whose words are left to be set. */
  insert(index: number, child?: Node): void {
    const size = entryWords(this.family);
    this.words.copyWithin((index + 1) * size, index * size, this.count * size);
    if (child !== undefined) this.children?.splice(index, 0, child);
    this.count += 1;
  }

  remove(index: number): void {
    const size = entryWords(this.family);
    this.words.copyWithin(index * size, (index + 1) * size, this.count * size);
    this.children?.splice(index, 1);
    this.count -= 1;
  }

  /** Moves entries to `right`, in front of those it has. */
  moveToRight(right: Node, count: number): void {
    const size = entryWords(this.family);
    right.words.copyWithin(count * size, 0, right.count * size);
    right.words.set(this.words.subarray((this.count - count) * size, this.count * size));
    if (this.children !== undefined) right.children?.unshift(...this.children.splice(-count));
    right.count += count;
    this.count -= count;
  }

  /** Moves entries from the front of `right` behind those this one has. */
  moveFromRight(right: Node, count: number): void {
    const size = entryWords(this.family);
    this.words.set(right.words.subarray(0, count * size), this.count * size);
    right.words.copyWithin(0, count * size, right.count * size);
    if (right.children !== undefined) this.children?.push(...right.children.splice(0, count));
    this.count += count;
    right.count -= count;
  }

  #compare(at: number, addr: Addr): number {
    const { words } = this;
    if (this.family === 4) return compareWord(words[at] ?? 0, addr.w3);
    return (
      compareWord(words[at] ?? 0, addr.w0) ||
      compareWord(words[at + 1] ?? 0, addr.w1) ||
      compareWord(words[at + 2] ?? 0, addr.w2) ||
      compareWord(words[at + 3] ?? 0, addr.w3)
    );
  }

  #addr(at: number): Addr {
    const { words } = this;
    if (this.family === 4) return Addr.v4(words[at] ?? 0);
    return Addr.v6(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0);
  }

  #setAddr(at: number, { w0, w1, w2, w3 }: Addr): void {
    const { words } = this;
    if (this.family === 4) {
      words[at] = w3;
      return;
    }
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = w2;
    words[at + 3] = w3;
  }
}

function addrWords(family: 4 | 6): number {
  return family === 4 ? 1 : 4;
}

function entryWords(family: 4 | 6): number {
  return family === 4 ? 2 : 8;
}

function compareWord(word: number, signed: number): number {
  const other = signed >>> 0;
  return word < other ? -1 : word > other ? 1 : 0;
}
