import type { Addr } from '../addr.ts';
import type { Range } from '../range.ts';

/** A pool that looks at each of its addresses in turn. For ranges that are small. */
export class SlowPool {
  /** Every address of every range, in the order of the ranges. */
  readonly #addrs: readonly string[];
  readonly #excluded: ReadonlySet<string>;
  readonly held = new Set<string>();
  last: string | undefined;

  constructor(ranges: readonly Range[], exclude: readonly Addr[]) {
    this.#addrs = ranges.flatMap(({ first, last }) => {
      const addrs: string[] = [];
      for (let addr = first; ; addr = addr.next() ?? addr) {
        addrs.push(`${addr}`);
        if (addr.equals(last)) return addrs;
      }
    });
    this.#excluded = new Set(exclude.map(String));
  }

  gives(addr: string): boolean {
    return this.#addrs.includes(addr) && !this.#excluded.has(addr);
  }

  allocate(addr: string): boolean {
    const taken = this.reserve(addr);
    if (taken) this.last = addr;
    return taken;
  }

  reserve(addr: string): boolean {
    if (!this.gives(addr) || this.held.has(addr)) return false;
    this.held.add(addr);
    return true;
  }

  release(addr: string): boolean {
    return this.held.delete(addr);
  }

  allocateNext(after = this.last): string | undefined {
    const begin = after === undefined ? -1 : this.#addrs.indexOf(after);
    const inTurn = [...this.#addrs.slice(begin + 1), ...this.#addrs.slice(0, begin + 1)];
    return this.#firstOf(inTurn);
  }

  allocateLowest(compare: (a: string, b: string) => number): string | undefined {
    return this.#firstOf(this.#addrs.toSorted(compare));
  }

  #firstOf(addrs: readonly string[]): string | undefined {
    const addr = addrs.find((each) => this.gives(each) && !this.held.has(each));
    if (addr !== undefined) this.allocate(addr);
    return addr;
  }
}
