import type { CommandModule } from 'yargs';
import { configJson, printConfig } from '../../../agent/config/print.ts';
import { formatJson } from '../../output.ts';
import { type AgentArgs, configOf, withAgentFlags } from '../agent/options.ts';

interface Args extends AgentArgs {
  sources: boolean;
  output: 'yaml' | 'json';
}

/** `podwire config print` */
export const printCommand: CommandModule<object, Args> = {
  command: 'print',
  describe: 'print what the agent would run with, defaults among it, as a file that says the same',
  builder: (yargs) =>
    withAgentFlags(yargs)
      .option('sources', {
        type: 'boolean',
        default: false,
        describe: 'say behind each value who said it',
      })
      .option('output', {
        alias: 'o',
        choices: ['yaml', 'json'] as const,
        default: 'yaml' as const,
        describe: 'how to print the answer; json tells who said each value',
      })
      .example('podwire config print --config podwire.yaml --sources', ''),
  handler(args) {
    const config = configOf(args);
    for (const { where, problem } of config.warnings) {
      process.stderr.write(`podwire: ${where}: ${problem}\n`);
    }
    process.stdout.write(
      args.output === 'json' ? formatJson(configJson(config)) : printConfig(config, args.sources),
    );
  },
};
