import { readFileSync } from 'node:fs';
import { PodwireError } from '../../../errors.ts';
import type { Addr } from '../../../ipaddr/addr.ts';
import { AddrSyntaxError, parseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { parseRange, Range } from '../../../ipaddr/range.ts';
import { UsageError } from '../../usage-error.ts';

/** More inputs than this are refused. */
const INPUTS_MAX = 1_000_000;
/** How many bad inputs are shown. */
const ERRORS_SHOWN_MAX = 20;

/** Inputs that are not what they should be, each with a mark under where it goes wrong. */
class InputError extends PodwireError {
  constructor(errors: readonly AddrSyntaxError[]) {
    const shown = errors.slice(0, ERRORS_SHOWN_MAX).map(withCaret);
    const rest = errors.length - shown.length;
    super('ERR_INPUT', [...shown, ...(rest === 0 ? [] : [`and ${rest} more`])].join('\n'));
  }
}

function withCaret({ message, input, position }: AddrSyntaxError): string {
  // A tab is as wide as in the line above, and other control characters would not stay in place.
  const line = input.replace(/[^\t\P{Cc}]/gu, '?');
  return `${message}\n  ${line}\n  ${line.slice(0, position).replace(/[^\t]/g, ' ')}^`;
}

/** The arguments, or without any what stands on stdin, separated by white space. Throws UsageError. */
export function readInputs(args: readonly string[] | undefined, what: string): string[] {
  const fromArgs = args ?? [];
  const inputs =
    fromArgs.length > 0 || process.stdin.isTTY
      ? [...fromArgs]
      : readFileSync(0, 'utf8').split(/\s+/).filter(Boolean);
  if (inputs.length === 0) throw new UsageError(`expected ${what}, as arguments or on stdin`);
  if (inputs.length > INPUTS_MAX) {
    throw new UsageError(`${inputs.length} inputs, expected at most ${INPUTS_MAX}`);
  }
  return inputs;
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
  if (errors.length > 0) throw new InputError(errors);
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
