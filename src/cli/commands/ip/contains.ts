import type { CommandModule } from 'yargs';
import { AddrSet } from '../../../ipaddr/set/addr-set.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, parseItem, rangeOf, readInputs } from './input.ts';
import { printRows } from './print.ts';

interface Args {
  in: string;
  item: string[] | undefined;
  output: OutputFormat;
}

/** `podwire ip contains` */
export const containsCommand: CommandModule<object, Args> = {
  command: 'contains <in> [item..]',
  describe: 'whether a prefix or range has all of each item in it; status 1 when not of all',
  builder: (yargs) =>
    yargs
      .positional('in', { type: 'string', demandOption: true, describe: 'a prefix or range' })
      .positional('item', {
        type: 'string',
        array: true,
        describe: 'addresses, prefixes or ranges',
      })
      .option('output', outputOption)
      .example('podwire ip contains 10.0.0.0/8 10.1.2.3', ''),
  async handler({ in: text, item, output }) {
    const [whole] = parseAll([text], parseItem);
    if (whole === undefined) return;
    const set = AddrSet.of([whole]);
    const items = parseAll(await readInputs(item, 'addresses, prefixes or ranges'), parseItem);
    const all = items.map((each) => ({ item: `${each}`, isContained: set.covers(rangeOf(each)) }));
    const rows = all.map((each) => [each.item, each.isContained ? 'yes' : 'no']);
    printRows(output, ['ITEM', `IN ${text}`], rows, () => all);
    if (all.some(({ isContained }) => !isContained)) process.exitCode = 1;
  },
};
