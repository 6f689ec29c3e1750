import type { CommandModule } from 'yargs';
import { type Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { split } from '../../../ipaddr/subnet.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { UsageError } from '../../usage-error.ts';
import { parseAll, readInputs } from './input.ts';
import { maxOption, printPrefixes } from './print.ts';

interface Args {
  bits: number;
  prefix: string[] | undefined;
  max: number;
  output: OutputFormat;
}

/** `podwire ip split` */
export const splitCommand: CommandModule<object, Args> = {
  command: 'split <bits> [prefix..]',
  describe: 'the parts of prefixes that have a length',
  builder: (yargs) =>
    yargs
      .positional('bits', { type: 'number', demandOption: true, describe: 'length of the parts' })
      .positional('prefix', { type: 'string', array: true, describe: 'what to split' })
      .option('max', maxOption)
      .option('output', outputOption)
      .example('podwire ip split 24 10.0.0.0/22', ''),
  async handler({ bits, prefix, max, output }) {
    const prefixes = parseAll(await readInputs(prefix, 'prefixes'), parsePrefix);
    for (const each of prefixes) checkBits(each, bits);
    printPrefixes(output, partsOf(prefixes, bits), max);
  },
};

function* partsOf(prefixes: readonly Prefix[], bits: number): Generator<Prefix, undefined> {
  for (const prefix of prefixes) yield* split(prefix, bits);
}

function checkBits(prefix: Prefix, bits: number): void {
  const [least, most] = [prefix.bits, prefix.addr.bits];
  if (Number.isInteger(bits) && bits >= least && bits <= most) return;
  throw new UsageError(
    `bits: expected a length from ${least} to ${most} for ${prefix}, got ${bits}`,
  );
}
