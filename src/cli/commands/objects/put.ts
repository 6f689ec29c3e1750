import type { CommandModule } from 'yargs';
import type { AgentArgs } from '../agent/options.ts';
import { readObjects } from './input.ts';
import { nameOf, namespaceOption, openObjects, withEtcd } from './open.ts';

interface Args extends AgentArgs {
  filename: string;
  namespace: string | undefined;
}

/** `podwire put` */
export const putCommand: CommandModule<object, Args> = {
  command: 'put',
  describe: 'put the objects of a manifest into etcd: all of them, or none when one is wrong',
  builder: (yargs) =>
    withEtcd(yargs)
      .option('filename', {
        type: 'string',
        alias: 'f',
        demandOption: true,
        describe: 'a manifest, in YAML or JSON; "-" for stdin',
      })
      .option('namespace', {
        ...namespaceOption,
        describe: 'the namespace of objects that name none',
      })
      .example('podwire put -f examples/lab/web.yaml', ''),
  async handler(args) {
    const objects = readObjects(args.filename, args.namespace);
    using etcd = openObjects(args);
    const outcomes = await etcd.put(objects);
    const lines = objects.map(({ object }, index) => `${nameOf(object)} ${outcomes[index]}\n`);
    process.stdout.write(lines.join(''));
  },
};
