import type { CommandModule } from 'yargs';
import { parsePrefix } from '../../../ipaddr/prefix.ts';
import { split } from '../../../ipaddr/subnet.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { UsageError } from '../../usage-error.ts';
import { parseAll } from './input.ts';
import { maxOption, printPrefixes } from './print.ts';

interface Args {
  prefix: string;
  bits: number;
  max: number;
  output: OutputFormat;
}

/** `podwire ip split` */
export const splitCommand: CommandModule<object, Args> = {
  command: 'split <prefix> <bits>',
  describe: 'the parts of a prefix that have a length',
  builder: (yargs) =>
    yargs
      .positional('prefix', { type: 'string', demandOption: true, describe: 'what to split' })
      .positional('bits', { type: 'number', demandOption: true, describe: 'length of the parts' })
      .option('max', maxOption)
      .option('output', outputOption)
      .example('podwire ip split 10.0.0.0/22 24', ''),
  handler({ prefix: text, bits, max, output }) {
    const [prefix] = parseAll([text], parsePrefix);
    if (prefix === undefined) return;
    const least = prefix.bits;
    const most = prefix.addr.bits;
    if (!Number.isInteger(bits) || bits < least || bits > most) {
      throw new UsageError(`bits: expected a length from ${least} to ${most}, got ${bits}`);
    }
    printPrefixes(output, split(prefix, bits), max);
  },
};
