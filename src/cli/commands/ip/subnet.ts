import type { CommandModule } from 'yargs';
import { type Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { netmask, usable, wildcard } from '../../../ipaddr/subnet.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, readInputs } from './input.ts';
import { printRows } from './print.ts';

interface Args {
  prefix: string[] | undefined;
  output: OutputFormat;
}

/** `podwire ip subnet` */
export const subnetCommand: CommandModule<object, Args> = {
  command: 'subnet [prefix..]',
  describe: 'the network, broadcast, usable addresses and masks of prefixes',
  builder: (yargs) =>
    yargs
      .positional('prefix', { type: 'string', array: true, describe: 'such as 10.1.2.3/24' })
      .option('output', outputOption)
      .example('podwire ip subnet 10.1.2.3/24', ''),
  async handler({ prefix, output }) {
    const all = parseAll(await readInputs(prefix, 'prefixes'), parsePrefix).map(describe);
    const head = ['PREFIX', 'NETWORK', 'BROADCAST', 'FIRST', 'LAST', 'USABLE', 'MASK', 'WILDCARD'];
    const rows = all.map((each) => [
      each.prefix,
      each.network,
      each.broadcast ?? '-',
      each.first,
      each.last,
      each.usable,
      each.netmask,
      each.wildcard,
    ]);
    printRows(output, head, rows, () => all);
  },
};

function describe(prefix: Prefix) {
  const hosts = usable(prefix);
  const hasBroadcast = prefix.addr.family === 4 && prefix.bits < 31;
  return {
    prefix: `${prefix}`,
    network: `${prefix.masked()}`,
    broadcast: hasBroadcast ? `${prefix.last()}` : undefined,
    first: `${hosts.first}`,
    last: `${hosts.last}`,
    usable: `${hosts.size}`,
    netmask: `${netmask(prefix)}`,
    wildcard: `${wildcard(prefix)}`,
  };
}
