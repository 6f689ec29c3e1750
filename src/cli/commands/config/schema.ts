import type { CommandModule } from 'yargs';
import { jsonSchema } from '../../../agent/config/json-schema.ts';
import { formatJson } from '../../output.ts';

/** `podwire config schema` */
export const schemaCommand: CommandModule = {
  command: 'schema',
  describe: 'print the JSON Schema of an AgentConfiguration',
  handler() {
    process.stdout.write(formatJson(jsonSchema()));
  },
};
