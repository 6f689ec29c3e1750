import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { assignSlots } from './slots.ts';

const target = (letter: string) => ({
  addr: parseAddr(`10.0.0.${letter.charCodeAt(0)}`),
  port: 80,
  isLocal: false,
  mayMeetItself: false,
});
const targets = (letters: string) => Array.from(letters, target);

describe('assignSlots', () => {
  it.each([
    ['', 'abc', 'abc'],
    ['abc', 'abc', 'abc'],
    ['abc', '', ''],
    ['abcde', 'acef', 'afce'],
    ['abcd', 'd', 'd'],
    ['abcd', 'bd', 'db'],
    ['ab', 'cdef', 'cdef'],
  ])('from %s to %s gives %s', (had, wanted, slots) => {
    expect(assignSlots(targets(had), targets(wanted))).toEqual(targets(slots));
  });

  it('gives every endpoint one slot, and moves no more than it must', () => {
    const letters = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(letters, letters, (had, wanted) => {
        const before = targets(had.join(''));
        const slots = assignSlots(before, targets(wanted.join('')));
        const text = (list: typeof slots) => list.map(({ addr }) => `${addr}`);
        expect(text(slots).sort()).toEqual(text(targets(wanted.join(''))).sort());
        const changed = text(slots).filter((each, slot) => each !== text(before)[slot]).length;
        const newcomers = wanted.filter((each) => !had.includes(each)).length;
        const gone = had.filter((each) => !wanted.includes(each)).length;
        expect(changed).toBeLessThanOrEqual(Math.max(newcomers, gone));
      }),
    );
  });
});
