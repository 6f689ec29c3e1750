import { accessSync, constants } from 'node:fs';
import type { CommandModule } from 'yargs';
import { type AgentConfig, readAlone } from '../../../agent/config/agent-config.ts';
import { ConfigError, type Fault, formatFault } from '../../../agent/config/fault.ts';
import { formatJson, type OutputFormat, outputOption } from '../../output.ts';
import { InputError } from '../../usage-error.ts';

interface Args {
  file: string | undefined;
  output: OutputFormat;
}

/** `podwire config check` */
export const checkCommand: CommandModule<object, Args> = {
  command: 'check <file>',
  describe: 'say whether the agent would take a file, and what is wrong where',
  builder: (yargs) =>
    yargs
      .positional('file', {
        type: 'string',
        describe: 'an AgentConfiguration or a KubeProxyConfiguration',
      })
      .option('output', outputOption)
      .epilogue(
        'Exit status: 0 when all of it can be taken, 1 when not, 2 for a file that can not be read.',
      ),
  handler({ file = '', output }) {
    const { faults, warnings } = check(file);
    if (output === 'json') process.stdout.write(formatJson({ file, faults, warnings }));
    else {
      const count = faults.length;
      const verdict =
        count === 0
          ? `${file}: all of it can be taken\n`
          : `${file}: ${count} ${count === 1 ? 'fault' : 'faults'}, so nothing of it would be taken:\n`;
      const lines = faults.map((fault) => `${formatFault(fault)}\n`);
      const passedOver = warnings.map(({ where, problem }) => `${where}: ${problem}\n`);
      process.stdout.write([verdict, ...lines, ...passedOver].join(''));
    }
    if (faults.length > 0) process.exitCode = 1;
  },
};

function check(
  file: string,
): Pick<AgentConfig, 'warnings'> & { readonly faults: readonly Fault[] } {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new InputError(`${file}: ${(error as Error).message}`);
  }
  try {
    return { faults: [], warnings: readAlone(file).warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { faults: error.faults, warnings: [] };
    throw error;
  }
}
