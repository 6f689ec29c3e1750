import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFileAtomic } from './atomic-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-atomic-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('replaces the content, sets the mode and leaves no temporary file', () => {
  const path = join(directory, 'state');
  writeFileAtomic(path, 'old');
  writeFileAtomic(path, 'new', 0o640);
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory)).toEqual(['state']);
});

it('leaves no temporary file when the target cannot be replaced', () => {
  expect(() => writeFileAtomic(directory, 'x')).toThrow();
  expect(readdirSync(directory)).toEqual([]);
});
