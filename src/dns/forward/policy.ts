import { randomInt } from 'node:crypto';

export type Policy = 'random' | 'round_robin' | 'sequential';

/** Gives, for each query, the order in which upstreams are tried. */
export class Order {
  readonly #policy: Policy;
  #turn = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  of<Item>(items: readonly Item[]): Item[] {
    if (this.#policy === 'sequential' || items.length < 2) return [...items];
    if (this.#policy === 'round_robin') {
      const from = this.#turn % items.length;
      this.#turn = (from + 1) % items.length;
      return [...items.slice(from), ...items.slice(0, from)];
    }
    return shuffled(items);
  }
}

/** The items in an order where every one is as likely (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1);
    const [a, b] = [result[last], result[other]];
    if (a === undefined || b === undefined) continue;
    result[last] = b;
    result[other] = a;
  }
  return result;
}
