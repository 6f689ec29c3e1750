import { Addr } from '../../../ipaddr/addr.ts';
import type { AclAction, AclRule } from './config.ts';

/** Words of a rule: action, type or -1, then the prefix's mask and bits, four words each. */
const RULE_WORDS = 10;
const ACTION_NUMBER: Readonly<Record<AclAction, number>> = {
  allow: 0,
  block: 1,
  filter: 2,
  drop: 3,
};
const ACTIONS: readonly AclAction[] = ['allow', 'block', 'filter', 'drop'];
const ANY_TYPE = -1;

/**
 * Rules as words that any thread can read: testing a client allocates nothing, and the words can be
 * shared. IPv4 addresses stand as mapped ones, so that one comparison does for both families.
 */
export class AclFilter {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** A rule of several types or prefixes becomes one for each pair; their order does not matter. */
  static of(rules: readonly AclRule[]): AclFilter {
    const words: number[] = [];
    for (const { action, types, prefixes } of rules) {
      for (const type of types.length === 0 ? [ANY_TYPE] : types) {
        const sources = prefixes.map(({ addr, bits }) => ({
          addr: mapped(addr),
          bits: addr.family === 4 ? bits + 96 : bits,
        }));
        for (const source of sources.length === 0 ? [undefined] : sources) {
          const masks = [0, 32, 64, 96].map((from) => maskWord((source?.bits ?? 0) - from));
          const own = source === undefined ? [0, 0, 0, 0] : wordsOf(source.addr);
          words.push(ACTION_NUMBER[action], type, ...masks);
          words.push(...own.map((word, index) => word & (masks[index] ?? 0)));
        }
      }
    }
    return new AclFilter(Int32Array.from(words));
  }

  /** What happens to a query of the type from the address. */
  verdict(client: Addr, type: number): AclAction {
    const isV4 = client.family === 4;
    const w0 = client.w0;
    const w1 = client.w1;
    const w2 = isV4 ? 0xffff : client.w2;
    const w3 = client.w3;
    const { words } = this;
    for (let at = 0; at < words.length; at += RULE_WORDS) {
      const own = words[at + 1] ?? ANY_TYPE;
      if (own !== ANY_TYPE && own !== type) continue;
      if (
        (w0 & (words[at + 2] ?? 0)) === (words[at + 6] ?? 0) &&
        (w1 & (words[at + 3] ?? 0)) === (words[at + 7] ?? 0) &&
        (w2 & (words[at + 4] ?? 0)) === (words[at + 8] ?? 0) &&
        (w3 & (words[at + 5] ?? 0)) === (words[at + 9] ?? 0)
      ) {
        return ACTIONS[words[at] ?? 0] ?? 'allow';
      }
    }
    return 'allow';
  }
}

function mapped(addr: Addr): Addr {
  return addr.family === 4 ? Addr.v6(0, 0, 0xffff, addr.w3) : addr;
}

function wordsOf({ w0, w1, w2, w3 }: Addr): number[] {
  return [w0, w1, w2, w3].map((word) => word | 0);
}

function maskWord(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : ~(0xffff_ffff >>> bits);
}
