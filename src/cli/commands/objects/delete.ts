import type { CommandModule } from 'yargs';
import type { ClusterObject } from '../../../cluster/objects.ts';
import { UsageError } from '../../usage-error.ts';
import type { AgentArgs } from '../agent/options.ts';
import { readObjects } from './input.ts';
import { kindNamed, namespaceOf, namespaceOption, openObjects, withEtcd } from './open.ts';

interface Args extends AgentArgs {
  kind: string | undefined;
  names: string[] | undefined;
  filename: string | undefined;
  namespace: string | undefined;
  'ignore-not-found': boolean;
}

interface Named {
  readonly kind: ClusterObject['kind'];
  readonly namespace: string;
  readonly name: string;
}

/** `podwire delete` */
export const deleteCommand: CommandModule<object, Args> = {
  command: 'delete [kind] [names..]',
  describe: 'delete objects in etcd: some of a kind by their names, or those of a manifest',
  builder: (yargs) =>
    withEtcd(yargs)
      .positional('kind', { type: 'string', describe: 'such as service, or svc' })
      .positional('names', { type: 'string', array: true, describe: 'names of objects' })
      .option('filename', { type: 'string', alias: 'f', describe: 'a manifest; "-" for stdin' })
      .option('namespace', namespaceOption)
      .option('ignore-not-found', {
        type: 'boolean',
        default: false,
        describe: 'what is not there is fine',
      })
      .example('podwire delete service web', ''),
  async handler(args) {
    const wanted = wantedOf(args);
    using etcd = openObjects(args);
    const outcomes = await etcd.delete(wanted);
    wanted.forEach(({ kind, name }, index) => {
      const text = `${kind.toLowerCase()}/${name}`;
      if (outcomes[index]) process.stdout.write(`${text} deleted\n`);
      else if (!args['ignore-not-found']) {
        process.stderr.write(`podwire: ${text}: not found\n`);
        process.exitCode = 1;
      }
    });
  },
};

function wantedOf({ kind, names = [], filename, namespace }: Args): Named[] {
  if ((filename === undefined) === (kind === undefined)) {
    throw new UsageError('expected either a kind and names, or --filename');
  }
  if (filename !== undefined) {
    return readObjects(filename, namespace).map(({ object: { kind, metadata } }) => ({
      kind,
      name: metadata.name,
      namespace: metadata.namespace,
    }));
  }
  if (names.length === 0) throw new UsageError('expected names of objects');
  const resource = kindNamed(kind ?? '');
  return names.map((name) => ({
    kind: resource.kind,
    namespace: namespaceOf(resource, namespace),
    name,
  }));
}
