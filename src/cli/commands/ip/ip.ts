import type { CommandModule } from 'yargs';
import { classifyCommand } from './classify.ts';
import { containsCommand } from './contains.ts';
import { diffCommand } from './diff.ts';
import { reverseCommand } from './reverse.ts';
import { splitCommand } from './split.ts';
import { subnetCommand } from './subnet.ts';
import { summarizeCommand } from './summarize.ts';

/** `podwire ip` */
export const ipCommand: CommandModule = {
  command: 'ip <command>',
  describe: 'questions about addresses',
  builder: (yargs) =>
    yargs
      .command(classifyCommand)
      .command(subnetCommand)
      .command(splitCommand)
      .command(summarizeCommand)
      .command(containsCommand)
      .command(diffCommand)
      .command(reverseCommand)
      .demandCommand(1),
  handler() {},
};
