import type { CommandModule } from 'yargs';
import { AddrSet } from '../../../ipaddr/set/addr-set.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, parseItem, readInputs } from './input.ts';
import { maxOption, printPrefixes } from './print.ts';

interface Args {
  item: string[] | undefined;
  max: number;
  output: OutputFormat;
}

/** `podwire ip summarize` */
export const summarizeCommand: CommandModule<object, Args> = {
  command: 'summarize [item..]',
  describe: 'the fewest prefixes that together are addresses, prefixes and ranges',
  builder: (yargs) =>
    yargs
      .positional('item', {
        type: 'string',
        array: true,
        describe: 'such as 10.0.0.0-10.0.1.255, 10.0.2.0/24 or 10.0.3.1',
      })
      .option('max', maxOption)
      .option('output', outputOption)
      .example('podwire ip summarize 10.0.0.0/24 10.0.1.0-10.0.1.255', ''),
  async handler({ item, max, output }) {
    const inputs = await readInputs(item, 'addresses, prefixes or ranges');
    printPrefixes(output, AddrSet.of(parseAll(inputs, parseItem)).prefixes(), max);
  },
};
