import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../prefix.ts';
import type { AddressBlock } from './block.ts';
import { classify } from './classify.ts';
import { SPECIAL_V4 } from './special-v4.ts';
import { SPECIAL_V6 } from './special-v6.ts';

/*
 * IANA's special-purpose registries, as IANA publishes them, against what classify says: each row's
 * attributes, at its first and last address, and that they end with the addresses beside those.
 */

/** The registry's own files, as of 2026-07. */
const load = (family: 4 | 6): string =>
  readFileSync(
    join(import.meta.dirname, `registry/iana-ipv${family}-special-registry-1.csv`),
    'utf8',
  );

/** The records of a CSV file (RFC 4180) behind its heading. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [[]];
  for (const [, quoted, plain = '', end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\n]*))([,\n])/g,
  )) {
    records.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '\n') records.push([]);
  }
  return records.slice(1, -1);
}

/** "True", "False [1]", "N/A [2]" or nothing. */
const attribute = (text = ''): boolean | undefined => ({ T: true, F: false })[text.charAt(0)];

/** `[RFC8880][RFC7050], Section 2.2` as `RFC 8880, RFC 7050 2.2`. */
const source = (text = ''): string =>
  Array.from(
    text.matchAll(/\[RFC ?([^\]]+)\](?:, Section ([\d.]+))?/g),
    ([, name, section]) => `RFC ${name}${section === undefined ? '' : ` ${section}`}`,
  ).join(', ');

const rows = ([4, 6] as const).flatMap((family) =>
  parseCsv(load(family)).flatMap(([blocks = '', name = '', rfc, allocated, terminated, ...bits]) =>
    blocks.split(', ').map((block) => ({
      family,
      prefix: block.replace(/ \[\d+\]$/, ''),
      name: name.replaceAll('"', ''),
      source: source(rfc),
      special: {
        allocated,
        terminated: terminated === 'N/A' ? undefined : terminated,
        source: attribute(bits[0]),
        destination: attribute(bits[1]),
        forwardable: attribute(bits[2]),
        globallyReachable: attribute(bits[3]),
        reservedByProtocol: attribute(bits[4]),
      },
    })),
  ),
);
const tables = { 4: SPECIAL_V4, 6: SPECIAL_V6 };

const isRow = (block: AddressBlock, prefix: string): boolean => `${block.prefix}` === prefix;

describe("IANA's special-purpose registries", () => {
  it('are in the tables, row by row in their order', () => {
    for (const family of [4, 6] as const) {
      expect(tables[family].map(({ prefix }) => `${prefix}`)).toEqual(
        rows.filter((row) => row.family === family).map(({ prefix }) => `${parsePrefix(prefix)}`),
      );
    }
    // Counts of the published files; IPv4 has one row with two blocks.
    expect(rows.filter((row) => row.family === 4)).toHaveLength(26);
    expect(rows.filter((row) => row.family === 6)).toHaveLength(25);
  });

  it.each(rows)('$prefix: $name', (row) => {
    const prefix = parsePrefix(row.prefix);
    const text = `${prefix}`;
    expect(`${prefix.masked()}`).toBe(text);
    // A smaller block may begin or end where this one does, and then its row holds.
    const smaller = tables[row.family].filter(
      (block) => block.prefix.bits > prefix.bits && prefix.overlaps(block.prefix),
    );
    for (const edge of [prefix.first(), prefix.last()]) {
      const seen = classify(edge);
      const block = seen.blocks.find((each) => isRow(each, text));
      expect(block).toMatchObject({ name: row.name, source: row.source });
      expect(block?.special).toEqual(row.special);
      if (smaller.some((each) => each.prefix.contains(edge))) continue;
      expect(seen.special).toEqual(row.special);
      expect(seen.blocks[0]).toBe(block);
      if (seen.embedded === undefined) {
        expect(seen.isGlobal).toBe(row.special.globallyReachable === true);
      }
    }
    for (const beside of [prefix.first().prev(), prefix.last().next()]) {
      if (beside === undefined) continue;
      expect(classify(beside).blocks.filter((each) => isRow(each, text))).toEqual([]);
    }
  });
});
