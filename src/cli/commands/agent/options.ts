import type { Argv } from 'yargs';
import { type AgentConfig, readAgentConfig } from '../../../agent/config/agent-config.ts';
import { OPTIONS, SECTIONS } from '../../../agent/config/definitions.ts';
import { ConfigError } from '../../../agent/config/fault.ts';
import { defaultText } from '../../../agent/config/text.ts';
import { InputError } from '../../usage-error.ts';

/** The flags of the agent that were given, by their names; what they mean is for src/agent/config. */
export interface AgentArgs {
  config: string | undefined;
}

/** Adds the flags of the agent to a command: all of them, or those of some subjects, such as `sources.etcd`. */
export function withAgentFlags<T>(
  yargs: Argv<T>,
  subjects: readonly string[] = SECTIONS.map(({ name }) => name),
): Argv<T & AgentArgs> {
  let all = yargs.option('config', {
    type: 'string',
    describe: 'a file with an AgentConfiguration or a KubeProxyConfiguration',
  }) as Argv<T & AgentArgs>;
  for (const { title, names } of SECTIONS) {
    for (const each of names) {
      const option = OPTIONS[each];
      const isWanted = subjects.some((subject) => each.startsWith(`${subject}.`));
      if (option.flag === undefined || !isWanted) continue;
      all = all.option(option.flag, {
        type: option.type.isBoolean ? 'boolean' : 'string',
        ...(option.takesWords ? { array: true } : {}),
        group: `${title}:`,
        describe: option.doc,
        defaultDescription: defaultText(option),
      });
    }
  }
  return all;
}

/** What the flags, the environment and the file say. Throws InputError with all that is wrong. */
export function configOf(args: AgentArgs): AgentConfig {
  return orInputError(() => readConfig(args));
}

/** The same, as they are now. Throws ConfigError. */
export function readConfig(args: AgentArgs): AgentConfig {
  return readAgentConfig({ flags: { ...args }, environment: process.env });
}

/** Makes what is wrong with a configuration a matter of what was typed. */
export function orInputError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw new InputError(error.message);
    throw error;
  }
}
