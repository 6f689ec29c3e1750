import { describe, expect, it } from 'vitest';
import { goTo } from '../../netlink/nftables/expression/verdict.ts';
import { hostU32 } from '../../netlink/nftables/value.ts';
import { ElementChanges } from './element-changes.ts';

const countsOf = (changes: ElementChanges) =>
  [...changes.sets()].map(([set, { removed, added }]) => [set, removed.length, added.length]);

describe('ElementChanges', () => {
  it('gives what differs, and of a pair that is the same nothing', () => {
    const changes = new ElementChanges();
    const element = (key: number, value: number) => ({
      key: hostU32(key),
      data: { value: hostU32(value) },
    });
    for (const key of [1, 2, 3]) changes.before('a', element(key, 7));
    for (const key of [2, 4]) changes.after('a', element(key, 7));
    changes.after('a', element(3, 8));
    changes.after('b', element(1, 1));
    expect(countsOf(changes)).toEqual([
      ['a', 2, 2],
      ['b', 0, 1],
    ]);
  });

  it('hands over what comes to empty sets, but for what leads to chains, which are not there yet', () => {
    const handed = new Map<string, number>();
    const changes = new ElementChanges((set, elements) =>
      handed.set(set, (handed.get(set) ?? 0) + elements.length),
    );
    const all = 3_000;
    for (let key = 0; key < all; key += 1) {
      changes.after('endpoints', { key: hostU32(key) });
      changes.after('chains', { key: hostU32(key), data: { verdict: goTo(`pick-${key}`) } });
    }
    const early = handed.get('endpoints') ?? 0;
    expect([...handed.keys()]).toEqual(['endpoints']);
    expect(early).toBeGreaterThan(all / 2);
    expect(new Map(countsOf(changes).map(([set, , added]) => [set, added]))).toEqual(
      new Map([
        ['endpoints', all - early],
        ['chains', all],
      ]),
    );
  });
});
