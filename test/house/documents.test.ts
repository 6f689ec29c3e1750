import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../src/cli/version.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** One screen. */
const README_LINES_MAX = 60;

const folders = globSync('src/**/*.ts', { cwd: root })
  .map(dirname)
  .filter((folder, index, all) => folder !== 'src' && all.indexOf(folder) === index)
  .sort();
const documents = [
  ...globSync('*.md', { cwd: root }),
  ...globSync('{src,docs,test}/**/*.md', { cwd: root }),
];

describe('documents', () => {
  it.each(folders)('%s has a README of one screen', (folder) => {
    const lines = read(join(folder, 'README.md')).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^# /);
    expect(lines.length).toBeLessThanOrEqual(README_LINES_MAX);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it.each(folders)('%s/README.md speaks of every file there', (folder) => {
    const text = read(join(folder, 'README.md'));
    const files = readdirSync(join(root, folder)).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    expect(files.filter((name) => !text.includes(name))).toEqual([]);
  });

  it.each(documents)('%s points at files that are there', (document) => {
    const links = Array.from(read(document).matchAll(/\]\(([^)#:]+)\)/g), ([, link = '']) => link);
    const missing = links.filter((link) => !existsSync(join(root, dirname(document), link)));
    expect(missing).toEqual([]);
    const named = Array.from(
      read(document).matchAll(/`((?:src|test|docs|examples|scripts)\/[\w./-]+)`/g),
      ([, path = '']) => path,
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it.each(documents)('%s names targets of the Makefile', (document) => {
    const makefile = read('Makefile');
    const targets = Array.from(
      read(document).matchAll(/(?:`|\$ )make ([a-z][a-z-]*)(?=`|$)/gm),
      ([, target = '']) => target,
    );
    const missing = targets.filter((target) => !new RegExp(`^${target}:`, 'm').test(makefile));
    expect(missing).toEqual([]);
  });

  it('list every decision', () => {
    const index = read('docs/adr/README.md');
    const pages = readdirSync(join(root, 'docs/adr')).filter((name) => /^\d/.test(name));
    expect(pages.length).toBeGreaterThan(0);
    expect(pages.filter((name) => !index.includes(`(${name})`))).toEqual([]);
    pages.forEach((name, at) => {
      const number = String(at + 1).padStart(4, '0');
      expect(name.startsWith(`${number}-`)).toBe(true);
      expect(read(`docs/adr/${name}`)).toMatch(new RegExp(`^# ${number}: `));
    });
  });
});

describe('the version', () => {
  it('is the same everywhere', () => {
    expect((JSON.parse(read('package.json')) as { version: string }).version).toBe(VERSION);
  });
});
