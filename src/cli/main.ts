import yargs from 'yargs';
import { agentCommand } from './commands/agent/agent.ts';
import { cleanupCommand } from './commands/cleanup.ts';
import { cniCommand } from './commands/cni.ts';
import { configCommand } from './commands/config/config.ts';
import { dnsCommand } from './commands/dns/dns.ts';
import { envCommand } from './commands/env.ts';
import { explainCommand } from './commands/explain/explain.ts';
import { ipCommand } from './commands/ip/ip.ts';
import { labCommand } from './commands/lab.ts';
import { deleteCommand } from './commands/objects/delete.ts';
import { getCommand } from './commands/objects/get.ts';
import { putCommand } from './commands/objects/put.ts';
import { NotRunningError } from './commands/status/ask-agent.ts';
import { statusCommand } from './commands/status/status.ts';
import { versionCommand } from './commands/version.ts';
import { InputError, UsageError } from './usage-error.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/*
 * The command line. An answer goes to stdout and nothing else does. Exit status: 0 ok, 1 failure, 2
 * usage or an input that can't be read, 3 no agent that could be asked.
 */
async function main(): Promise<void> {
  try {
    await yargs(process.argv.slice(2))
      .scriptName('podwire')
      .usage('$0 <command>: the network of a Linux node, in one agent')
      .command(agentCommand)
      .command(configCommand)
      .command(cleanupCommand)
      .command(labCommand)
      .command(cniCommand)
      .command(dnsCommand)
      .command(explainCommand)
      .command(envCommand)
      .command(ipCommand)
      .command(statusCommand)
      .command(putCommand)
      .command(getCommand)
      .command(deleteCommand)
      .command(versionCommand)
      .demandCommand(1, 'expected a command')
      .strict()
      .version(false)
      .help()
      .wrap(100)
      .fail((message, error) => {
        // There is a message for what yargs itself, or a check, finds wrong; an error alone is what
        // a handler threw.
        throw message ? new UsageError(message) : error;
      })
      .parseAsync();
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const failed = error instanceof NotRunningError ? error.exitStatus : EXIT_FAILURE;
    const status = isUsage || error instanceof InputError ? EXIT_USAGE : failed;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`podwire: ${message}\n${isUsage ? 'Try "podwire --help".\n' : ''}`);
    process.exit(status);
  }
}

// Whoever read the answer, such as head(1), has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_FAILURE);
  throw error;
});
void main();
