import yargs from 'yargs';
import { agentCommand } from './commands/agent.ts';
import { cleanupCommand } from './commands/cleanup.ts';
import { cniCommand } from './commands/cni.ts';
import { ipCommand } from './commands/ip.ts';
import { labCommand } from './commands/lab.ts';
import { versionCommand } from './commands/version.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/*
 * The command line. An answer goes to stdout and nothing else does. Exit status: 0 ok, 1 failure, 2
 * usage.
 */
void yargs(process.argv.slice(2))
  .scriptName('podwire')
  .usage('$0 <command>: the network of a Linux node, in one agent')
  .command(agentCommand)
  .command(cleanupCommand)
  .command(labCommand)
  .command(cniCommand)
  .command(ipCommand)
  .command(versionCommand)
  .demandCommand(1, 'expected a command')
  .strict()
  .version(false)
  .help()
  .wrap(100)
  .fail((message, error) => {
    // yargs gives an error only for what a handler threw, or a check.
    if (message) {
      process.stderr.write(`podwire: ${message}\nTry "podwire --help".\n`);
      process.exit(EXIT_USAGE);
    }
    process.stderr.write(`podwire: ${error.message}\n`);
    process.exit(EXIT_FAILURE);
  })
  .parseAsync();
