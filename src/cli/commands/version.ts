import type { CommandModule } from 'yargs';
import { formatJson, type OutputFormat, outputOption } from '../output.ts';
import { VERSION } from '../version.ts';

/** `podwire version` */
export const versionCommand: CommandModule<object, { output: OutputFormat }> = {
  command: 'version',
  describe: 'print the versions of podwire and of the Node inside',
  builder: (yargs) => yargs.option('output', outputOption),
  handler({ output }) {
    const node = process.versions.node;
    if (output === 'json') process.stdout.write(formatJson({ podwire: VERSION, node }));
    else process.stdout.write(`podwire ${VERSION}, node ${node}\n`);
  },
};
