import { PodwireError } from '../../../errors.ts';
import type { Prefix } from '../../../ipaddr/prefix.ts';
import { formatJson, formatTable, type OutputFormat } from '../../output.ts';

/** Prints rows as a table, or as objects with the titles in lower camel case. */
export function printRows(
  output: OutputFormat,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  objects: readonly object[],
): void {
  process.stdout.write(output === 'json' ? formatJson(objects) : formatTable(head, rows));
}

/** Prints prefixes, one a line or as a list of JSON. Throws PodwireError beyond `max`. */
export function printPrefixes(output: OutputFormat, prefixes: Iterable<Prefix>, max: number): void {
  const texts: string[] = [];
  for (const prefix of prefixes) {
    if (texts.length === max) {
      throw new PodwireError('ERR_OUTPUT', `more than ${max} prefixes; --max allows more`);
    }
    texts.push(`${prefix}`);
  }
  process.stdout.write(
    output === 'json' ? formatJson(texts) : texts.map((each) => `${each}\n`).join(''),
  );
}

/** The option of commands whose answer can be long. */
export const maxOption = {
  type: 'number',
  default: 65_536,
  describe: 'how many prefixes to print at most',
} as const;
