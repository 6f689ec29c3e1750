import type { Element, ElementData } from '../../netlink/nftables/element.ts';

/** What to delete from a set and what to add to it, in this order. */
export interface SetChange {
  readonly removed: readonly Element[];
  readonly added: readonly Element[];
}

interface Pair {
  before: Element | undefined;
  after: Element | undefined;
}

/** What comes to a set that had nothing. */
export type OnFresh = (set: string, elements: readonly Element[]) => void;

/** So many elements of a set are handed over together; they fill a message or two. */
const FRESH_MAX = 512;

/**
 * Collects what sets had and what they shall have, and gives the difference. An element with other data
 * is deleted and added; in one transaction no packet sees it gone.
 */
export class ElementChanges {
  readonly #sets = new Map<string, Map<string, Pair>>();
  readonly #fresh = new Map<string, Element[]>();
  readonly #onFresh: OnFresh | undefined;

  /**
   * With `onFresh` the sets are empty, so that `before` has nothing to tell and nothing need be paired:
   * elements are handed over as they come. A first load has a million, which are not all kept at once.
   */
  constructor(onFresh?: OnFresh) {
    this.#onFresh = onFresh;
  }

  /** The set has this element. */
  before(set: string, element: Element): void {
    this.#pair(set, element).before = element;
  }

  /** The set shall have this element. */
  after(set: string, element: Element): void {
    if (this.#onFresh === undefined) {
      this.#pair(set, element).after = element;
      return;
    }
    const elements = this.#fresh.get(set) ?? [];
    elements.push(element);
    this.#fresh.set(set, elements);
    // Chains that elements lead to are made after the sets: those elements wait for the end.
    const leadsToChain = element.data !== undefined && 'verdict' in element.data;
    if (elements.length < FRESH_MAX || leadsToChain) return;
    this.#fresh.delete(set);
    this.#onFresh(set, elements);
  }

  /** The difference, as far as it was not handed over; sets without one are left out. */
  *sets(): Generator<readonly [string, SetChange], undefined> {
    for (const [set, added] of this.#fresh) yield [set, { removed: [], added }];
    for (const [set, pairs] of this.#sets) {
      const removed: Element[] = [];
      const added: Element[] = [];
      for (const { before, after } of pairs.values()) {
        if (before !== undefined && after !== undefined && sameData(before.data, after.data)) {
          continue;
        }
        if (before !== undefined) removed.push(before);
        if (after !== undefined) added.push(after);
      }
      if (removed.length + added.length > 0) yield [set, { removed, added }];
    }
  }

  #pair(set: string, { key, keyEnd }: Element): Pair {
    let pairs = this.#sets.get(set);
    if (pairs === undefined) {
      pairs = new Map();
      this.#sets.set(set, pairs);
    }
    const at = keyEnd === undefined ? key.toHex() : `${key.toHex()}-${keyEnd.toHex()}`;
    let pair = pairs.get(at);
    if (pair === undefined) {
      pair = { before: undefined, after: undefined };
      pairs.set(at, pair);
    }
    return pair;
  }
}

function sameData(a: ElementData | undefined, b: ElementData | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if ('value' in a && 'value' in b) return Buffer.compare(a.value, b.value) === 0;
  if ('verdict' in a && 'verdict' in b) {
    return a.verdict.code === b.verdict.code && a.verdict.chain === b.verdict.chain;
  }
  return false;
}
