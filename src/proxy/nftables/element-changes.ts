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

/**
 * Collects what sets had and what they shall have, and gives the difference. An element with other data
 * is deleted and added; in one transaction no packet sees it gone.
 */
export class ElementChanges {
  readonly #sets = new Map<string, Map<string, Pair>>();
  /** What comes to sets that had nothing: at a first load that is all, and need not be paired. */
  readonly #fresh = new Map<string, Element[]>();
  readonly #isFresh: boolean;

  /** `isFresh`: the sets are empty, so that `before` has nothing to tell. */
  constructor(isFresh = false) {
    this.#isFresh = isFresh;
  }

  /** The set has this element. */
  before(set: string, element: Element): void {
    this.#pair(set, element).before = element;
  }

  /** The set shall have this element. */
  after(set: string, element: Element): void {
    if (!this.#isFresh) {
      this.#pair(set, element).after = element;
      return;
    }
    const elements = this.#fresh.get(set);
    if (elements === undefined) this.#fresh.set(set, [element]);
    else elements.push(element);
  }

  /** The difference, set by set; sets without one are left out. */
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
