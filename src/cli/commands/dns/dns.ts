import type { CommandModule } from 'yargs';
import { checkCommand } from './check.ts';
import { queryCommand } from './query.ts';

/** `podwire dns` */
export const dnsCommand: CommandModule = {
  command: 'dns <command>',
  describe: 'ask a DNS server, and what a Corefile means',
  builder: (yargs) => yargs.command(queryCommand).command(checkCommand).demandCommand(1),
  handler() {},
};
