import type { Prefix } from '../../../ipaddr/prefix.ts';
import { formatJson, formatTable, type OutputFormat } from '../../output.ts';
import { InputError, UsageError } from '../../usage-error.ts';

/** What `--max` may allow. */
const PREFIXES_MAX = 1_000_000;

/** Prints rows as a table, or objects as JSON. */
export function printRows(
  output: OutputFormat,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  objects: () => readonly object[],
): void {
  process.stdout.write(output === 'json' ? formatJson(objects()) : formatTable(head, rows));
}

/** Prints prefixes, one a line or as a list of JSON. Throws InputError beyond `max`. */
export function printPrefixes(output: OutputFormat, prefixes: Iterable<Prefix>, max: number): void {
  if (!Number.isInteger(max) || max < 1 || max > PREFIXES_MAX) {
    throw new UsageError(`--max: expected a whole number from 1 to ${PREFIXES_MAX}, got ${max}`);
  }
  const texts: string[] = [];
  for (const prefix of prefixes) {
    if (texts.length === max) {
      throw new InputError(`the answer is more than ${max} prefixes; --max allows more`);
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
