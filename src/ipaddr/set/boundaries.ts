import { Addr } from '../addr.ts';

/*
 * A set of addresses of one family, kept as the places where membership changes:
 *
 *     members      ....XXXXXX......XXX....
 *     boundaries       ^     ^     ^  ^
 *
 * An address is in the set when an odd number of boundaries is at or before it. A set that reaches
 * the last address has an odd number in all. Any operation on two sets is one walk along both.
 */

/** Sorted boundaries, packed: one word each for IPv4, four for IPv6. */
export interface Boundaries {
  readonly family: 4 | 6;
  readonly words: Uint32Array;
  readonly count: number;
}

/** The boundaries of nothing. */
export function emptyBoundaries(family: 4 | 6): Boundaries {
  return { family, words: new Uint32Array(0), count: 0 };
}

/** Collects boundaries in order. */
export class BoundaryWriter {
  readonly #family: 4 | 6;
  readonly #width: number;
  #words: Uint32Array;
  #count = 0;

  constructor(family: 4 | 6, countHint: number) {
    this.#family = family;
    this.#width = widthOf(family);
    this.#words = new Uint32Array(Math.max(countHint, 4) * this.#width);
  }

  addAddr({ w0, w1, w2, w3 }: Addr): void {
    const at = this.#grow();
    if (this.#width === 1) {
      this.#words[at] = w3;
      return;
    }
    this.#words[at] = w0;
    this.#words[at + 1] = w1;
    this.#words[at + 2] = w2;
    this.#words[at + 3] = w3;
  }

  addFrom({ words }: Boundaries, index: number): void {
    const from = index * this.#width;
    const at = this.#grow();
    for (let word = 0; word < this.#width; word += 1) {
      this.#words[at + word] = words[from + word] ?? 0;
    }
  }

  finish(): Boundaries {
    const words = this.#words.slice(0, this.#count * this.#width);
    return { family: this.#family, words, count: this.#count };
  }

  /** Makes room for one more and gives the index of its first word. */
  #grow(): number {
    const at = this.#count * this.#width;
    if (at === this.#words.length) {
      const words = new Uint32Array(this.#words.length * 2);
      words.set(this.#words);
      this.#words = words;
    }
    this.#count += 1;
    return at;
  }
}

/** Whether the address is in the set. Allocates nothing; O(log n). */
export function isInside(boundaries: Boundaries, addr: Addr): boolean {
  return (boundariesUpTo(boundaries, addr) & 1) === 1;
}

/** How many boundaries are at or before the address. Allocates nothing; O(log n). */
export function boundariesUpTo(boundaries: Boundaries, addr: Addr): number {
  let low = 0;
  let high = boundaries.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAtOrBefore(boundaries, middle, addr)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The address at a boundary. */
export function boundaryAddr({ family, words }: Boundaries, index: number): Addr {
  if (family === 4) return Addr.v4(words[index] ?? 0);
  const at = index * 4;
  return Addr.v6(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0);
}

/** The set of the addresses for which `keep(in a, in b)`; nothing may come of nothing. O(n). */
export function combine(
  a: Boundaries,
  b: Boundaries,
  keep: (inA: boolean, inB: boolean) => boolean,
): Boundaries {
  const writer = new BoundaryWriter(a.family, a.count + b.count);
  let [atA, atB] = [0, 0];
  let [inA, inB, kept] = [false, false, false];
  while (atA < a.count || atB < b.count) {
    const order = atA === a.count ? 1 : atB === b.count ? -1 : compareAt(a, atA, b, atB);
    const [source, index] = order <= 0 ? [a, atA] : [b, atB];
    if (order <= 0) {
      inA = !inA;
      atA += 1;
    }
    if (order >= 0) {
      inB = !inB;
      atB += 1;
    }
    if (keep(inA, inB) === kept) continue;
    kept = !kept;
    writer.addFrom(source, index);
  }
  return writer.finish();
}

function widthOf(family: 4 | 6): number {
  return family === 4 ? 1 : 4;
}

function isAtOrBefore({ family, words }: Boundaries, index: number, addr: Addr): boolean {
  if (family === 4) return (words[index] ?? 0) <= addr.w3 >>> 0;
  const at = index * 4;
  const d0 = (words[at] ?? 0) - (addr.w0 >>> 0);
  if (d0 !== 0) return d0 < 0;
  const d1 = (words[at + 1] ?? 0) - (addr.w1 >>> 0);
  if (d1 !== 0) return d1 < 0;
  const d2 = (words[at + 2] ?? 0) - (addr.w2 >>> 0);
  if (d2 !== 0) return d2 < 0;
  return (words[at + 3] ?? 0) <= addr.w3 >>> 0;
}

function compareAt(a: Boundaries, atA: number, b: Boundaries, atB: number): number {
  const width = widthOf(a.family);
  for (let word = 0; word < width; word += 1) {
    const difference = (a.words[atA * width + word] ?? 0) - (b.words[atB * width + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
