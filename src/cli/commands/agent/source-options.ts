import { join } from 'node:path';
import type { Argv } from 'yargs';
import type { SourceOptions } from '../../../agent/cluster-sources.ts';
import type { Access } from '../../../cluster/kube/access.ts';
import { inClusterAccess } from '../../../cluster/kube/in-cluster.ts';
import { anonymousAccess, kubeconfigAccess } from '../../../cluster/kube/kubeconfig.ts';
import { type EtcdArgs, etcdPlace, withEtcdFlags } from '../etcd-options.ts';

/** The flags that say where the cluster's objects come from. */
export interface SourceArgs extends EtcdArgs {
  manifests: string | undefined;
  kubeconfig: string | undefined;
  master: string | undefined;
  'in-cluster': boolean;
  'saved-state': string;
}

/** Where services keep what they know; systemd's StateDirectory says it, as the first of a list. */
const [STATE_DIRECTORY = ''] = (process.env.STATE_DIRECTORY ?? '/var/lib/podwire').split(':');

const GROUP = "Where the cluster's objects come from, one or several:";

/** Adds the flags of the sources to a command. */
export function withSourceFlags<T>(yargs: Argv<T>): Argv<T & SourceArgs> {
  return withEtcdFlags(yargs, 'where etcd is, which has the objects; URLs with commas between')
    .option('manifests', {
      type: 'string',
      group: GROUP,
      describe: 'directory of Kubernetes YAML; its objects go before those of a server',
    })
    .option('kubeconfig', {
      type: 'string',
      group: GROUP,
      describe: 'file that names an API server and how to log in, as kubectl has it',
    })
    .option('master', {
      type: 'string',
      group: GROUP,
      describe: "URL of the API server, in place of the kubeconfig's",
    })
    .option('in-cluster', {
      type: 'boolean',
      default: false,
      group: GROUP,
      describe: "the API server of the cluster this is a pod of, as the pod's service account",
    })
    .option('saved-state', {
      type: 'string',
      default: join(STATE_DIRECTORY, 'cluster-state'),
      group: GROUP,
      describe: 'file that keeps what the server said last, for a start without it; "" for none',
    });
}

/**
 * Refuses flags that do not go together, and none at all where the configuration of the proxy names no
 * kubeconfig either. Throws an Error that names them.
 */
export function checkSources(args: SourceArgs, configured: string): void {
  for (const flag of ['manifests', 'kubeconfig', 'master'] as const) {
    if (args[flag] !== '') continue;
    const expected = { manifests: 'a directory', kubeconfig: 'a file', master: 'a URL' }[flag];
    throw new Error(`--${flag}: expected ${expected}, got ""`);
  }
  const hasServer = args.kubeconfig !== undefined || args.master !== undefined;
  if (args['in-cluster'] && hasServer) {
    throw new Error('--in-cluster: expected neither --kubeconfig nor --master beside it');
  }
  if (args['etcd-endpoints'] !== undefined && (args['in-cluster'] || hasServer)) {
    throw new Error('--etcd-endpoints: expected no API server beside it');
  }
  if (hasFlags(args) || configured !== '') return;
  throw new Error(
    'expected a source: --manifests, --kubeconfig, --master, --in-cluster or --etcd-endpoints',
  );
}

/** Whether a flag says where the objects come from, so that nothing else does. */
export function hasFlags(args: SourceArgs): boolean {
  const { manifests, kubeconfig, master, 'etcd-endpoints': etcd } = args;
  const given = [manifests, kubeconfig, master, etcd].some((flag) => flag !== undefined);
  return given || args['in-cluster'];
}

/**
 * What the flags mean, or without any the `configured` kubeconfig; reads the files they name. Throws
 * AccessError.
 */
export function sourceOptions(args: SourceArgs, configured: string): SourceOptions {
  const kube = hasFlags(args) ? accessOf(args) : kubeconfigAccess(configured);
  const etcd = etcdPlace(args);
  return {
    ...(args.manifests === undefined ? {} : { manifests: args.manifests }),
    ...(kube === undefined ? {} : { kube }),
    ...(etcd === undefined ? {} : { etcd }),
    ...(args['saved-state'] === '' ? {} : { savedState: args['saved-state'] }),
  };
}

function accessOf({ kubeconfig, master, 'in-cluster': inCluster }: SourceArgs): Access | undefined {
  if (inCluster) return inClusterAccess();
  if (kubeconfig !== undefined) return kubeconfigAccess(kubeconfig, master);
  return master === undefined ? undefined : anonymousAccess(master);
}
