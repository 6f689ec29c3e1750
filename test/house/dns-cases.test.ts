import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const numbered = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
const NUMBERS = [...numbered('K', 90), ...numbered('S', 3), ...numbered('R', 15)];
/** What is not there, and the page says why. */
const UNPROVEN = ['K73'];

const oneBlank = (text: string): string => text.replace(/\s+/g, ' ');

/** Case, and its proof, of each line of the page. */
const rows = Array.from(
  readFileSync(join(root, 'docs/dns-cases.md'), 'utf8').matchAll(
    /^- ([A-Z]\d+): .+ → .+\. (?:(\S+\.ts): (`+) ?(.+?) ?\3|No test\.)$/gm,
  ),
  ([, number = '', file = '', , words = '']) => ({ number, file, words }),
);

describe('the cases of DNS', () => {
  it('are all listed, once', () => {
    expect(rows.map(({ number }) => number)).toEqual(NUMBERS);
  });

  it.each(rows.filter(({ number }) => !UNPROVEN.includes(number)))(
    '$number is in the test that proves it',
    ({ file, words }) => {
      expect(words.length).toBeGreaterThan(5);
      const text = readFileSync(join(root, 'test', file), 'utf8');
      expect(oneBlank(text).includes(words), `"${words}" in test/${file}`).toBe(true);
    },
  );
});
