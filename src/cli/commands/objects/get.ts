import type { CommandModule } from 'yargs';
import type { FoundObject } from '../../../cluster/etcd/objects.ts';
import { formatManifest } from '../../../cluster/manifests/format.ts';
import { formatJson, formatTable } from '../../output.ts';
import type { AgentArgs } from '../agent/options.ts';
import { COLUMNS, cellsOf } from './columns.ts';
import { kindNamed, namespaceOf, namespaceOption, openObjects, withEtcd } from './open.ts';

interface Args extends AgentArgs {
  kind: string | undefined;
  name: string | undefined;
  namespace: string | undefined;
  'all-namespaces': boolean;
  output: 'table' | 'yaml' | 'json';
}

/** `podwire get` */
export const getCommand: CommandModule<object, Args> = {
  command: 'get <kind> [name]',
  describe: 'print the objects in etcd',
  builder: (yargs) =>
    withEtcd(yargs)
      .positional('kind', { type: 'string', describe: 'such as services, or svc' })
      .positional('name', { type: 'string', describe: 'of one object' })
      .option('namespace', namespaceOption)
      .option('all-namespaces', {
        type: 'boolean',
        alias: 'A',
        default: false,
        describe: 'those of all namespaces',
      })
      .option('output', {
        alias: 'o',
        choices: ['table', 'yaml', 'json'] as const,
        default: 'table' as const,
        describe: 'how to print them',
      })
      .check(({ name, namespace, 'all-namespaces': isAll }) => {
        if (!isAll || (name ?? namespace) === undefined) return true;
        throw new Error('--all-namespaces: expected neither a name nor --namespace beside it');
      })
      .example('podwire get services -o yaml', ''),
  async handler(args) {
    const { name, output, 'all-namespaces': isAll } = args;
    const resource = kindNamed(args.kind ?? '');
    const namespace = isAll ? undefined : namespaceOf(resource, args.namespace);
    using etcd = openObjects(args);
    let found: readonly FoundObject[];
    if (name === undefined) {
      found = await etcd.list(resource.kind, namespace === '' ? undefined : namespace);
    } else {
      const one = await etcd.get(resource.kind, namespace ?? '', name);
      if (one === undefined) {
        throw new Error(`${resource.kind.toLowerCase()}/${name}: not found`);
      }
      found = [one];
    }
    for (const { problem } of found) {
      if (problem === undefined) continue;
      process.stderr.write(`podwire: ${problem}\n`);
      process.exitCode = 1;
    }
    const raws = found.flatMap(({ raw }) => (raw === undefined ? [] : [raw]));
    if (output === 'yaml') process.stdout.write(formatManifest(raws));
    else if (output === 'table') process.stdout.write(table(found, resource.isNamespaced, isAll));
    else {
      const list = { apiVersion: 'v1', kind: 'List', items: raws };
      process.stdout.write(formatJson(name === undefined ? list : raws[0]));
    }
  },
};

function table(found: readonly FoundObject[], isNamespaced: boolean, isAll: boolean): string {
  const objects = found.flatMap(({ object }) => object ?? []);
  const [first] = objects;
  if (first === undefined) return 'no objects\n';
  const withNamespace = isNamespaced && isAll;
  const head = [...(withNamespace ? ['NAMESPACE'] : []), 'NAME', ...COLUMNS[first.kind]];
  const rows = objects.map((object) => {
    const { namespace, name } = object.metadata;
    return [...(withNamespace ? [namespace] : []), name, ...cellsOf(object)];
  });
  return formatTable(head, rows);
}
