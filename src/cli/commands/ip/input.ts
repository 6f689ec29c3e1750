import type { Addr } from '../../../ipaddr/addr.ts';
import { AddrSyntaxError, parseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { parseRange, Range } from '../../../ipaddr/range.ts';
import { InputError, UsageError } from '../../usage-error.ts';

/** More inputs than this are refused. */
const INPUTS_MAX = 1_000_000;
/** And this is all that is read of stdin. */
const STDIN_BYTES_MAX = 64 * 1024 * 1024;
/** How many bad inputs are shown. */
const ERRORS_SHOWN_MAX = 20;
/** How much of a bad input stands on either side of its mark. */
const SHOWN_LENGTH_MAX = 60;

/** Tells what is wrong with each input, with a mark under where it goes wrong. */
function inputError(errors: readonly AddrSyntaxError[]): InputError {
  const shown = errors.slice(0, ERRORS_SHOWN_MAX).map(withCaret);
  const rest = errors.length - shown.length;
  return new InputError([...shown, ...(rest === 0 ? [] : [`and ${rest} more`])].join('\n'));
}

function withCaret({ message, input, position }: AddrSyntaxError): string {
  const start = Math.max(position - SHOWN_LENGTH_MAX, 0);
  // What has no width of its own, or is none to print, would move the mark.
  const line = input.slice(start, position + SHOWN_LENGTH_MAX).replace(/[^\x20-\x7e]/g, '?');
  return `${message}\n  ${line}\n  ${' '.repeat(position - start)}^`;
}

/** The arguments, or without any what stands on stdin, separated by white space. Throws UsageError. */
export async function readInputs(
  args: readonly string[] | undefined,
  what: string,
): Promise<string[]> {
  const fromArgs = args ?? [];
  const inputs =
    fromArgs.length > 0 || process.stdin.isTTY
      ? [...fromArgs]
      : (await readStdin()).split(/\s+/).filter(Boolean);
  if (inputs.length === 0) throw new UsageError(`expected ${what}, as arguments or on stdin`);
  if (inputs.length > INPUTS_MAX) {
    throw new UsageError(`${inputs.length} inputs, expected at most ${INPUTS_MAX}`);
  }
  return inputs;
}

/** All of stdin. Not read at once by its descriptor, which may have nothing yet: a socket, say. */
async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > STDIN_BYTES_MAX) {
      throw new UsageError(`stdin: expected at most ${STDIN_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Reads every input, or throws InputError that shows all that are wrong. */
export function parseAll<T>(inputs: readonly string[], parse: (text: string) => T): T[] {
  const values: T[] = [];
  const errors: AddrSyntaxError[] = [];
  for (const input of inputs) {
    try {
      values.push(parse(input));
    } catch (error) {
      if (!(error instanceof AddrSyntaxError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw inputError(errors);
  return values;
}

/** Reads an address, a prefix or a range. Throws AddrSyntaxError. */
export function parseItem(text: string): Addr | Prefix | Range {
  if (text.includes('%')) return parseAddr(text);
  if (text.includes('/')) return parsePrefix(text);
  return text.includes('-') ? parseRange(text) : parseAddr(text);
}

/** The addresses of an item. */
export function rangeOf(item: Addr | Prefix | Range): Range {
  if (item instanceof Range) return item;
  return item instanceof Prefix ? Range.ofPrefix(item) : Range.of(item, item);
}
