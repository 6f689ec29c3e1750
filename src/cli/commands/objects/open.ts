import type { Argv } from 'yargs';
import { etcdPlace } from '../../../agent/config/source-options.ts';
import { kindOf, RESOURCE_KINDS, type ResourceKind } from '../../../cluster/etcd/keys.ts';
import { EtcdObjects } from '../../../cluster/etcd/objects.ts';
import type { ClusterObject } from '../../../cluster/objects.ts';
import { InputError } from '../../usage-error.ts';
import { VERSION } from '../../version.ts';
import { type AgentArgs, configOf, withAgentFlags } from '../agent/options.ts';

const NAMESPACE = 'default';

/** Adds the flags that say where etcd is. */
export function withEtcd<T>(yargs: Argv<T>): Argv<T & AgentArgs> {
  return withAgentFlags(yargs, ['sources.etcd']);
}

/** The objects in the etcd that is named. Throws InputError, or AccessError for credentials. */
export function openObjects(args: AgentArgs): EtcdObjects {
  const { access, prefix } = etcdPlace(configOf(args).values);
  return new EtcdObjects(access, prefix, `podwire/${VERSION}`);
}

/** The kind people mean. Throws InputError. */
export function kindNamed(text: string): ResourceKind {
  const kind = kindOf(text);
  if (kind !== undefined) return kind;
  const known = RESOURCE_KINDS.map(({ resource }) => resource).join(', ');
  throw new InputError(`kind: expected one of ${known}, got "${text}"`);
}

/** The namespace an object of a kind is in. Throws InputError for one where there can be none. */
export function namespaceOf(
  { kind, isNamespaced }: ResourceKind,
  given: string | undefined,
): string {
  if (isNamespaced) return given ?? NAMESPACE;
  if (given === undefined) return '';
  throw new InputError(`--namespace: expected none, for a ${kind} has no namespace`);
}

/** An object as kubectl names it: `service/web`. */
export function nameOf({ kind, metadata }: Pick<ClusterObject, 'kind' | 'metadata'>): string {
  return `${kind.toLowerCase()}/${metadata.name}`;
}

/** The option for the namespace. */
export const namespaceOption = {
  type: 'string',
  alias: 'n',
  describe: 'the namespace; "default" where none is given',
} as const;
