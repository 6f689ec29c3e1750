import type { CommandModule } from 'yargs';
import { checkCommand } from './check.ts';
import { printCommand } from './print.ts';
import { schemaCommand } from './schema.ts';

/** `podwire config` */
export const configCommand: CommandModule = {
  command: 'config <what>',
  describe: "print the agent's configuration and its schema, or check a file",
  builder: (yargs) =>
    yargs.command(printCommand).command(checkCommand).command(schemaCommand).demandCommand(1),
  handler() {},
};
