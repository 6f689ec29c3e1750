import type { Element } from '../../netlink/nftables/element.ts';

/** A set whose elements several owners can want at once; one is there as long as anybody wants it. */
export class CountedSet {
  readonly #counts = new Map<string, number>();
  readonly #touched = new Map<string, { readonly element: Element; readonly had: boolean }>();

  /** One owner more. */
  add(element: Element): void {
    const key = this.#touch(element);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** One owner less. */
  remove(element: Element): void {
    const key = this.#touch(element);
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }

  /** Tells which elements were there and are there, of those touched since the last call. */
  settle(before: (element: Element) => void, after: (element: Element) => void): void {
    for (const [key, { element, had }] of this.#touched) {
      const has = this.#counts.has(key);
      if (had && !has) before(element);
      if (!had && has) after(element);
    }
    this.#touched.clear();
  }

  #touch(element: Element): string {
    const key = element.key.toHex();
    if (!this.#touched.has(key)) this.#touched.set(key, { element, had: this.#counts.has(key) });
    return key;
  }
}
