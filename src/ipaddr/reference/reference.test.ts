import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { tryParseAddr } from '../parse-addr.ts';
import { formatSlowly } from './format.ts';
import { parseSlowly } from './parse.ts';
import { SEEDS } from './seeds.ts';

/* The fast parser and printer against the slow ones, from the corpus and from random values. */

function compare(text: string): void {
  const fast = tryParseAddr(text);
  const slow = parseSlowly(text);
  expect([text, fast?.family, fast?.toBigInt(), fast?.zone]).toEqual([
    text,
    slow?.family,
    slow?.value,
    slow?.zone,
  ]);
  if (fast === undefined || slow === undefined) return;
  const printed = formatSlowly(slow);
  expect(fast.toString()).toBe(printed);
  expect(tryParseAddr(printed)?.equals(fast)).toBe(true);
}

const word = fc.oneof(
  fc.constantFrom(0, 1, 0xffff, 0x10000, 0xffff0000, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
);
/** Characters that mean something in an address, and a few that do not. */
const character = fc.constantFrom(...Array.from('0123456789abcdefABCDEFg.:%/ -x\0'));

/** A seed with a few characters put in, taken out or replaced. */
const mutant = fc
  .tuple(
    fc.constantFrom(...SEEDS.map(({ text }) => text)),
    fc.array(fc.tuple(fc.nat({ max: 70 }), fc.nat({ max: 2 }), character), { maxLength: 4 }),
  )
  .map(([text, changes]) =>
    changes.reduce((changed, [place, taken, put]) => {
      const at = place % (changed.length + 1);
      return (
        changed.slice(0, at) + (taken === 2 ? '' : put) + changed.slice(at + Math.min(taken, 1))
      );
    }, text),
  );

describe('the fast implementation agrees with the slow one', () => {
  it.each(SEEDS)('on $text: $why', ({ text }) => compare(text));

  it('on the corpus with random changes', () => {
    fc.assert(fc.property(mutant, compare), { numRuns: 5000 });
  });

  it('on texts of the characters addresses have', () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from('01f:.')), maxLength: 24 });
    fc.assert(fc.property(text, compare), { numRuns: 5000 });
  });

  it('on printing any value', () => {
    fc.assert(
      fc.property(word, word, word, word, (a, b, c, d) => {
        compare(Addr.v6(a, b, c, d).toString());
        compare(Addr.v4(d).toString());
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the corpus', () => {
  it('has every text once, with its reason', () => {
    expect(new Set(SEEDS.map(({ text }) => text)).size).toBe(SEEDS.length);
    expect(SEEDS.filter(({ why }) => why === '')).toEqual([]);
  });
});
