import type { CommandModule } from 'yargs';
import { checkSources } from '../../agent/config/source-options.ts';
import { serviceEnv } from '../../cluster/service-env.ts';
import { formatJson } from '../output.ts';
import { type AgentArgs, configOf, orInputError, withAgentFlags } from './agent/options.ts';
import { readSources } from './sources.ts';

const SUBJECTS = ['sources', 'savedState'];

interface Args extends AgentArgs {
  namespace: string;
  'enable-service-links': boolean;
  output: 'env' | 'json';
}

/** `podwire env` */
export const envCommand: CommandModule<object, Args> = {
  command: 'env',
  describe: 'print the variables by which kubelet tells pods where Services are',
  builder: (yargs) =>
    withAgentFlags(yargs, SUBJECTS)
      .option('namespace', {
        type: 'string',
        alias: 'n',
        default: 'default',
        describe: 'the namespace of the pod',
      })
      .option('enable-service-links', {
        type: 'boolean',
        default: true,
        describe: "as the pod's spec has it; without, of the Service kubernetes alone",
      })
      .option('output', {
        alias: 'o',
        choices: ['env', 'json'] as const,
        default: 'env' as const,
        describe: 'how to print them: a NAME=value a line, or an object',
      })
      .example('podwire env --namespace default --manifests examples/lab', ''),
  async handler(args) {
    const { values, kubeProxy } = configOf(args);
    orInputError(() => checkSources(values));
    const state = await readSources(values, kubeProxy);
    const variables = serviceEnv(state, args.namespace, args['enable-service-links']);
    process.stdout.write(
      args.output === 'json'
        ? formatJson(Object.fromEntries(variables))
        : variables.map(([name, value]) => `${name}=${value}\n`).join(''),
    );
  },
};
