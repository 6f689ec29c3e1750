import type { CommandModule } from 'yargs';
import { AddrSyntaxError, parseAddr } from '../../../ipaddr/parse-addr.ts';
import { parseReverseName, reverseName } from '../../../ipaddr/reverse.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, readInputs } from './input.ts';
import { printRows } from './print.ts';

interface Args {
  item: string[] | undefined;
  output: OutputFormat;
}

/** `podwire ip reverse` */
export const reverseCommand: CommandModule<object, Args> = {
  command: 'reverse [item..]',
  describe: 'the names that reverse look-ups of addresses ask for, and back',
  builder: (yargs) =>
    yargs
      .positional('item', {
        type: 'string',
        array: true,
        describe: 'addresses, or names below in-addr.arpa and ip6.arpa',
      })
      .option('output', outputOption)
      .example('podwire ip reverse 10.1.2.3 1.0.0.10.in-addr.arpa', ''),
  async handler({ item, output }) {
    const all = parseAll(await readInputs(item, 'addresses or reverse names'), (input) => ({
      input,
      answer: answerOf(input),
    }));
    const rows = all.map(({ input, answer }) => [input, answer]);
    printRows(output, ['INPUT', 'REVERSE'], rows, () => all);
  },
};

function answerOf(input: string): string {
  if (!/\.arpa\.?$/i.test(input)) return reverseName(parseAddr(input).withZone(''));
  const addr = parseReverseName(input.endsWith('.') ? input : `${input}.`);
  if (addr === undefined)
    throw new AddrSyntaxError(input, 0, 'the full reverse name of an address');
  return `${addr}`;
}
