import type { Addr } from '../addr.ts';
import { Range } from '../range.ts';
import { ENTRIES_MAX, ENTRIES_MIN, Node } from './node.ts';

/**
 * What is free of one family, as runs: stretches of addresses as long as they can be, with at least
 * one address between any two. They are the leaves of a B+ tree, so that everything here takes
 * O(log n) of the number of runs, and memory depends on that number alone.
 */
export class FreeRuns {
  readonly #family: 4 | 6;
  #root: Node;
  #count = 0;
  /** The way from the root to the leaf that was looked for last, and the entry taken in each node. */
  readonly #path: Node[] = [];
  readonly #slots: number[] = [];
  /** Where in both the leaf is; what lies behind is of no meaning. */
  #level = 0;

  constructor(family: 4 | 6) {
    this.#family = family;
    this.#root = new Node(family, true);
  }

  /** How many runs there are. */
  get count(): number {
    return this.#count;
  }

  has(addr: Addr): boolean {
    const leaf = this.#descend(addr);
    const index = this.#slots[this.#level] ?? -1;
    return index >= 0 && leaf.compareLast(index, addr) >= 0;
  }

  /** The first free address from `addr` on. */
  firstFrom(addr: Addr): Addr | undefined {
    const leaf = this.#descend(addr);
    const index = this.#slots[this.#level] ?? -1;
    if (index >= 0 && leaf.compareLast(index, addr) >= 0) return addr.withZone('');
    if (index + 1 < leaf.count) return leaf.first(index + 1);
    return leaf.next?.first(0);
  }

  /**
   * Takes a part of a run away; false, and nothing changes, unless all of it is free.
   *
   *     run       f-----------t
   *     taken     first...last         nothing is left
   *     taken     first..              the run begins later
   *     taken             ..last       it ends earlier
   *     taken        first..last       there are two
   */
  take(first: Addr, last: Addr): boolean {
    const leaf = this.#descend(first);
    const index = this.#slots[this.#level] ?? -1;
    if (index < 0 || leaf.compareLast(index, last) < 0) return false;
    const isStart = leaf.compareFirst(index, first) === 0;
    const isEnd = leaf.compareLast(index, last) === 0;
    const after = isEnd ? undefined : last.next();
    const before = isStart ? undefined : first.prev();
    if (before !== undefined) {
      const end = leaf.last(index);
      leaf.setLast(index, before);
      if (after !== undefined) this.#insert(after, end);
    } else if (after !== undefined) {
      leaf.setFirst(index, after);
      if (index === 0) this.#tellAbove();
    } else {
      this.#remove();
    }
    return true;
  }

  /**
   * Gives back what was taken; false, and nothing changes, unless none of it is free.
   *
   *     runs      f--t            f--t
   *     given         first..last        the two and it become one
   *     given         first..            the left one ends later
   *     given              ..last        the right one begins earlier
   *     given           first..          a run of its own
   */
  give(first: Addr, last: Addr): boolean {
    let end = last;
    const after = last.next();
    const free = this.firstFrom(first);
    if (free !== undefined && free.compareValue(last) <= 0) return false;
    if (after !== undefined && free?.compareValue(after) === 0) {
      const right = this.#descend(after);
      end = right.last(this.#slots[this.#level] ?? 0);
      this.#remove();
    }
    const before = first.prev();
    const leaf = this.#descend(first);
    const index = this.#slots[this.#level] ?? -1;
    if (before !== undefined && index >= 0 && leaf.compareLast(index, before) === 0) {
      leaf.setLast(index, end);
    } else {
      this.#insert(first, end);
    }
    return true;
  }

  /** The runs, in order. Not to be changed meanwhile. */
  *ranges(): Generator<Range, undefined> {
    let leaf: Node | undefined = this.#root;
    while (leaf.children !== undefined) leaf = leaf.children[0] as Node;
    for (; leaf !== undefined; leaf = leaf.next) {
      for (let index = 0; index < leaf.count; index += 1) {
        yield Range.of(leaf.first(index), leaf.last(index));
      }
    }
  }

  /** Finds the leaf, and in it the last run that does not begin after `addr`, which may be -1. */
  #descend(addr: Addr): Node {
    let node = this.#root;
    for (let level = 0; ; level += 1) {
      const index = node.indexOf(addr);
      this.#path[level] = node;
      if (node.children === undefined) {
        this.#slots[level] = index;
        this.#level = level;
        return node;
      }
      // What comes before all children belongs to the first.
      const slot = Math.max(index, 0);
      this.#slots[level] = slot;
      node = node.children[slot] as Node;
    }
  }

  #insert(first: Addr, last: Addr): void {
    this.#descend(first);
    this.#count += 1;
    let level = this.#level;
    // A leaf may now begin before what is said of it above.
    for (let above = 0; above < level; above += 1) {
      const node = this.#path[above] as Node;
      if (node.compareFirst(0, first) > 0) node.setFirst(0, first);
    }
    const leaf = this.#path[level] as Node;
    const index = (this.#slots[level] ?? -1) + 1;
    leaf.insert(index);
    leaf.setFirst(index, first);
    leaf.setLast(index, last);
    while (this.#path[level]?.count === ENTRIES_MAX) {
      this.#split(level);
      level -= 1;
    }
  }

  /**
   * The leaf that was descended to begins later now. The nodes above must say so, or an address before
   * its first run would be looked for in it, when the run before has grown that far meanwhile.
   */
  #tellAbove(): void {
    for (let level = this.#level; level > 0; level -= 1) {
      const [node, parent] = [this.#path[level] as Node, this.#path[level - 1] as Node];
      const slot = this.#slots[level - 1] ?? 0;
      if (node.count > 0) parent.setFirst(slot, node.first(0));
      if (slot > 0) return;
    }
  }

  /** Moves the upper half of a full node into a new one. */
  #split(level: number): void {
    const node = this.#path[level] as Node;
    const right = new Node(this.#family, node.children === undefined);
    node.moveToRight(right, node.count >>> 1);
    right.next = node.next;
    node.next = right;
    let parent = this.#path[level - 1];
    if (parent === undefined) {
      parent = new Node(this.#family, false);
      parent.insert(0, node);
      parent.setFirst(0, node.first(0));
      this.#root = parent;
    }
    const slot = (this.#slots[level - 1] ?? 0) + 1;
    parent.insert(slot, right);
    parent.setFirst(slot, right.first(0));
  }

  /** Removes the run that was descended to. */
  #remove(): void {
    this.#count -= 1;
    let level = this.#level;
    const slot = this.#slots[level] ?? 0;
    this.#path[level]?.remove(slot);
    if (slot === 0) this.#tellAbove();
    while (level > 0 && (this.#path[level]?.count ?? 0) < ENTRIES_MIN) {
      this.#refill(level);
      level -= 1;
    }
    while (this.#root.count === 1 && this.#root.children !== undefined) {
      this.#root = this.#root.children[0] as Node;
    }
  }

  /** Gives a node that has become small entries of its neighbour, or joins the two. */
  #refill(level: number): void {
    const parent = this.#path[level - 1] as Node;
    const siblings = parent.children ?? [];
    const slot = Math.max((this.#slots[level - 1] ?? 0) - 1, 0);
    const [left, right] = [siblings[slot], siblings[slot + 1]];
    if (left === undefined || right === undefined) return;
    const total = left.count + right.count;
    // A full node would be split at once.
    if (total < ENTRIES_MAX) {
      left.moveFromRight(right, right.count);
      left.next = right.next;
      parent.remove(slot + 1);
      return;
    }
    const surplus = left.count - (total >>> 1);
    if (surplus > 0) left.moveToRight(right, surplus);
    else left.moveFromRight(right, -surplus);
    parent.setFirst(slot + 1, right.first(0));
  }
}
