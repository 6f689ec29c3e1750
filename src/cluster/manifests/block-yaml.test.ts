import fc from 'fast-check';
import { dump, loadAll } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { blockYamlDocuments, OtherYaml } from './block-yaml.ts';

/** Undefined where it leaves the text to the other parser. */
function parse(text: string): unknown[] | undefined {
  try {
    return [...blockYamlDocuments(Buffer.from(text))];
  } catch (error) {
    if (error instanceof OtherYaml) return undefined;
    throw error;
  }
}

const whole = (text: string) => loadAll(text).filter((document) => document !== null);

describe('blockYamlDocuments', () => {
  it.each([
    ['a: 1\nb:\n  c: x\n  d:\n', [{ a: 1, b: { c: 'x', d: null } }]],
    ['a:\n- b: 1\n  c: 2\n- d\nz: true\n', [{ a: [{ b: 1, c: 2 }, 'd'], z: true }]],
    ['a:\n  - b: 1\n    c:\n      - x\n', [{ a: [{ b: 1, c: ['x'] }] }]],
    ['# one\n\na: "x # y"\n---\n# two\nb: {}\nc: []\n', [{ a: 'x # y' }, { b: {}, c: [] }]],
    [
      'a: 2001:db8::1\nb: 10.0.0.0/8\nc: 1.2.3.4\nd: fd00::/8\n',
      [{ a: '2001:db8::1', b: '10.0.0.0/8', c: '1.2.3.4', d: 'fd00::/8' }],
    ],
    ['a: some words, with: punctuation\n', undefined],
    [
      'a: some words, as "they" are - and so on  \n',
      [{ a: 'some words, as "they" are - and so on' }],
    ],
  ])('reads %j', (text, expected) => {
    expect(parse(text)).toEqual(expected);
    if (expected !== undefined) expect(whole(text)).toEqual(expected);
  });

  it.each([
    'a: &x 1\nb: *x\n',
    'a: |\n  text\n',
    'a: {b: 1}\n',
    'a: 1\na: 2\n',
    'a: b\n  c\n',
    'a:\n    b: 1\n  c: 2\n',
    'a: 1e3\n',
    'a: 2024-01-01\n',
    'a: no\n',
    'a: -1\n',
    'a: ü\n',
    'a: 1\r\n',
    'a:\tb\n',
    '__proto__: x\n',
    '{"a": 1}\n',
    '%YAML 1.2\n---\na: 1\n',
    'a: 1\n...\n',
    '- a\n -b\n',
    `${Array.from({ length: 70 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')}`,
  ])('leaves %j to the other parser', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  it('never reads anything otherwise than the other parser', () => {
    const lines = fc.constantFrom(
      'a: 1',
      'b:',
      '- a',
      '- b: x',
      '  c: "d"',
      '  - e',
      '',
      '#',
      '---',
      "f: ''",
      'g: h: i',
      '  - - a',
      'k : v',
      '-',
      '- ',
      '   d: y',
      '    - z',
      'a:b',
      'x: 0x1',
      'n: null',
      '- {}',
    );
    fc.assert(
      fc.property(fc.array(lines, { maxLength: 8 }), (parts) => {
        const text = `${parts.join('\n')}\n`;
        const documents = parse(text);
        if (documents === undefined) return;
        expect(documents).toEqual(whole(text));
      }),
      { numRuns: 5000 },
    );
  });

  it('reads what the other parser writes', () => {
    const scalar = fc.oneof(
      fc.stringMatching(/^[a-z][a-z0-9./-]{0,8}$/),
      fc.nat(70_000),
      fc.boolean(),
      fc.ipV4(),
      fc.ipV6(),
    );
    const key = fc.stringMatching(/^[a-z][a-zA-Z0-9./-]{2,12}$/);
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(key, fc.oneof({ maxDepth: 4 }, scalar, tie('tree'), tie('list')), {
        minKeys: 1,
        maxKeys: 4,
      }),
      list: fc.array(fc.oneof({ maxDepth: 4 }, scalar, tie('tree')), {
        minLength: 1,
        maxLength: 4,
      }),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const text = dump(value);
        const documents = parse(text);
        if (documents !== undefined) expect(documents).toEqual(whole(text));
      }),
      { numRuns: 500 },
    );
  });
});
