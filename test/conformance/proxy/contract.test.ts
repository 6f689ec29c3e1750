import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CASES } from './cases.ts';
import { CONTRACT } from './contract.ts';

const CLAUSES = 112;
const ROOT = join(import.meta.dirname, '../../..');
const names = new Set(
  Object.values(CASES)
    .flat()
    .map(({ name }) => name),
);

describe('the contract', () => {
  const numbers = Array.from({ length: CLAUSES }, (_, at) => at + 1);

  it('is these numbers', () => {
    expect(Object.keys(CONTRACT).map(Number)).toEqual(numbers);
  });

  it.each(numbers)('%d is proven by tests that are there, or it is said why not', (number) => {
    const { says = '', proof = [], left } = CONTRACT[number] ?? {};
    for (const each of proof) {
      if (!('file' in each)) {
        for (const name of each) expect([...names], says).toContain(name);
        continue;
      }
      const text = readFileSync(join(ROOT, each.file), 'utf8');
      const missing = each.tests.filter((name) => !text.includes(name));
      expect(missing, `${each.file}: ${says}`).toEqual([]);
    }
    if (left !== undefined) process.stdout.write(`${number}, ${says}: ${left}\n`);
    expect(proof.length > 0 || left !== undefined, says).toBe(true);
  });
});
