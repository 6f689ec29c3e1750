import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IMPORT_RULES, type ImportRule } from './import-rules.ts';
import { brokenRules, cycles, importsOf } from './imports.ts';

const root = join(import.meta.dirname, '../..');
const sources = new Map(
  globSync('src/**/*.ts', { cwd: root }).map((path) => [
    path,
    readFileSync(join(root, path), 'utf8'),
  ]),
);

describe('the sources', () => {
  it('are found', () => {
    expect(sources.size).toBeGreaterThan(90);
  });

  it('import only what their folder may use', () => {
    expect(brokenRules(sources, IMPORT_RULES)).toEqual([]);
  });

  it('have no cycles', () => {
    expect(cycles(sources)).toEqual([]);
  });

  it('call nothing utils, helpers, common or manager', () => {
    const names = [...sources.keys()].filter((path) =>
      /(^|[/.-])(utils?|helpers?|common|managers?)([/.-]|$)/.test(path),
    );
    expect(names).toEqual([]);
  });

  it('have a rule for nothing that is gone', () => {
    const unused = IMPORT_RULES.map(({ path }) => path).filter(
      (path) => ![...sources.keys()].some((file) => file === path || file.startsWith(`${path}/`)),
    );
    expect(unused).toEqual([]);
  });
});

describe('the checker', () => {
  const rules: ImportRule[] = [
    { path: 'src/low', uses: [], packages: [], reason: 'it is low' },
    { path: 'src/high', uses: ['src/low'], packages: ['good'], reason: 'it is high' },
    { path: 'src/high/inner', uses: [], packages: [], reason: 'it is inner' },
  ];
  const check = (files: Record<string, string>): string[] =>
    brokenRules(new Map(Object.entries(files)), rules);

  it('reads every form of import', () => {
    const source = [
      "import { a } from './a.ts';",
      "import type { b } from '../b.ts';",
      "import './c.ts';",
      "export { d } from 'd';",
      "void import('./e.ts');",
      'import {',
      '  f,',
      "} from '@scope/f';",
    ].join('\n');
    expect(importsOf('src/x/y.ts', source)).toEqual([
      'src/x/a.ts',
      'src/b.ts',
      'src/x/c.ts',
      'd',
      'src/x/e.ts',
      '@scope/f',
    ]);
  });

  it('allows what is allowed', () => {
    const high = "import 'node:fs'; import '../low/a.ts'; import './b.ts'; import 'good';";
    expect(check({ 'src/high/a.ts': high, 'src/low/a.test.ts': "import 'vitest';" })).toEqual([]);
  });

  it('names what is not, with the reason', () => {
    expect(
      check({
        'src/low/a.ts': "import '../high/a.ts';",
        'src/high/b.ts': "import 'bad';",
        'src/high/inner/c.ts': "import '../../low/a.ts';",
        'src/other/d.ts': '',
      }),
    ).toEqual([
      'src/low/a.ts imports src/high/a.ts, but must not, because it is low',
      'src/high/b.ts imports bad, but must not, because it is high',
      'src/high/inner/c.ts imports src/low/a.ts, but must not, because it is inner',
      'src/other/d.ts has no rule: give its folder one',
    ]);
  });

  it('finds cycles', () => {
    const files = {
      'src/a.ts': "import './b.ts';",
      'src/b.ts': "import './c.ts';",
      'src/c.ts': "import './b.ts';",
    };
    expect(cycles(new Map(Object.entries(files)))).toEqual(['src/b.ts -> src/c.ts -> src/b.ts']);
  });
});
