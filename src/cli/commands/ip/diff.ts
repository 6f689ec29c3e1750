import type { CommandModule } from 'yargs';
import { AddrSet } from '../../../ipaddr/set/addr-set.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, parseItem, readInputs } from './input.ts';
import { maxOption, printPrefixes } from './print.ts';

interface Args {
  from: string;
  minus: string[] | undefined;
  max: number;
  output: OutputFormat;
}

/** `podwire ip diff` */
export const diffCommand: CommandModule<object, Args> = {
  command: 'diff <from> [minus..]',
  describe: 'what is left of a prefix or range without others, as prefixes',
  builder: (yargs) =>
    yargs
      .positional('from', { type: 'string', demandOption: true, describe: 'a prefix or range' })
      .positional('minus', {
        type: 'string',
        array: true,
        describe: 'addresses, prefixes or ranges to take away',
      })
      .option('max', maxOption)
      .option('output', outputOption)
      .example('podwire ip diff 10.0.0.0/8 10.96.0.0/12', ''),
  async handler({ from, minus, max, output }) {
    const whole = AddrSet.of(parseAll([from], parseItem));
    const inputs = await readInputs(minus, 'addresses, prefixes or ranges to take away');
    printPrefixes(
      output,
      whole.difference(AddrSet.of(parseAll(inputs, parseItem))).prefixes(),
      max,
    );
  },
};
