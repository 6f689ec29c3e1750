import type { CommandModule } from 'yargs';
import { nameCommand } from './name.ts';
import { packetCommand } from './packet.ts';

/** `podwire explain` */
export const explainCommand: CommandModule = {
  command: 'explain <what>',
  describe: 'say why something is as it is',
  builder: (yargs) => yargs.command(nameCommand).command(packetCommand).demandCommand(1),
  handler() {},
};
