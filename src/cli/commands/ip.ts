import type { CommandModule } from 'yargs';
import { classify } from '../../ipaddr/classify/classify.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { formatJson, formatTable, type OutputFormat, outputOption } from '../output.ts';

interface Args {
  address: string[] | undefined;
  output: OutputFormat;
}

const classifyCommand: CommandModule<object, Args> = {
  command: 'classify <address..>',
  describe: 'say what addresses are: class, private, loopback, multicast and so on',
  builder: (yargs) =>
    yargs
      .positional('address', { type: 'string', array: true, describe: 'IPv4 or IPv6 address' })
      .option('output', outputOption)
      .example('podwire ip classify 10.1.2.3 fd00::1', ''),
  handler({ address = [], output }) {
    const all = address.map((text) => ({ address: text, ...classify(parseAddr(text)) }));
    if (output === 'json') {
      process.stdout.write(formatJson(all));
      return;
    }
    const rows = all.map((each) => [
      each.address,
      `IPv${each.family}`,
      each.addressClass === undefined
        ? '-'
        : `${each.addressClass}${each.classPrefixBits === undefined ? '' : ` /${each.classPrefixBits}`}`,
      each.isGlobal ? 'yes' : 'no',
      each.blocks.map(({ name, source }) => `${name} (${source})`).join(', ') || 'ordinary',
    ]);
    process.stdout.write(formatTable(['ADDRESS', 'FAMILY', 'CLASS', 'GLOBAL', 'WHAT IT IS'], rows));
  },
};

/** `podwire ip` */
export const ipCommand: CommandModule = {
  command: 'ip <command>',
  describe: 'questions about addresses',
  builder: (yargs) => yargs.command(classifyCommand).demandCommand(1),
  handler() {},
};
