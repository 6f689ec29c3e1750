import type { CommandModule } from 'yargs';
import { classify } from '../../../ipaddr/classify/classify.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, readInputs } from './input.ts';
import { printRows } from './print.ts';

interface Args {
  address: string[] | undefined;
  output: OutputFormat;
}

/** `podwire ip classify` */
export const classifyCommand: CommandModule<object, Args> = {
  command: 'classify [address..]',
  describe: 'say what addresses are: class, private, loopback, multicast and so on',
  builder: (yargs) =>
    yargs
      .positional('address', { type: 'string', array: true, describe: 'IPv4 or IPv6 addresses' })
      .option('output', outputOption)
      .example('podwire ip classify 10.1.2.3 fd00::1', ''),
  handler({ address, output }) {
    const addrs = parseAll(readInputs(address, 'addresses'), parseAddr);
    const all = addrs.map((addr) => ({ address: `${addr}`, ...classify(addr) }));
    const rows = all.map((each) => [
      each.address,
      `IPv${each.family}`,
      classText(each),
      each.isGlobal ? 'yes' : 'no',
      each.blocks.map(({ name, source }) => `${name} (${source})`).join(', ') || 'ordinary',
    ]);
    const head = ['ADDRESS', 'FAMILY', 'CLASS', 'GLOBAL', 'WHAT IT IS'];
    printRows(output, head, rows, all.map(withTexts));
  },
};

type Classified = ReturnType<typeof classify>;

function classText({ addressClass, classPrefixBits }: Classified): string {
  if (addressClass === undefined) return '-';
  return classPrefixBits === undefined ? addressClass : `${addressClass} /${classPrefixBits}`;
}

/** Prefixes and addresses as texts, for JSON. */
function withTexts(each: Classified & { readonly address: string }): object {
  return JSON.parse(
    JSON.stringify(each, (_, value: unknown) =>
      typeof value === 'bigint' || isNamedValue(value) ? String(value) : value,
    ),
  ) as object;
}

/** An address or prefix, which prints as its text and not as its words. */
function isNamedValue(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    ('w3' in value || ('addr' in value && 'bits' in value))
  );
}
