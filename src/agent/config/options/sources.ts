import { join } from 'node:path';
import { option } from '../option.ts';
import { boolean, maybe, path, url } from '../value-type.ts';

/** Where services keep what they know; systemd's StateDirectory says it, as the first of a list. */
const [STATE_DIRECTORY = ''] = (process.env.STATE_DIRECTORY ?? '/var/lib/podwire').split(':');

/** Where the cluster's objects come from, one or several. */
export const SOURCES = {
  'sources.manifests.directory': option({
    flag: 'manifests',
    type: maybe(path('a directory')),
    default: undefined,
    doc: 'directory of Kubernetes YAML; its objects go before those of an API server',
    change: 'live',
  }),
  'sources.kubernetes.kubeconfig': option({
    flag: 'kubeconfig',
    type: maybe(path('a file')),
    default: undefined,
    doc: 'file that names an API server and how to log in, as kubectl has it',
    change: 'live',
    kubeProxy: ({ kubeconfig }) => (kubeconfig === '' ? undefined : kubeconfig),
  }),
  'sources.kubernetes.server': option({
    flag: 'master',
    type: maybe(url('a URL', ['http:', 'https:'])),
    default: undefined,
    doc: "URL of the API server, in place of the kubeconfig's",
    change: 'live',
  }),
  'sources.kubernetes.inCluster': option({
    flag: 'in-cluster',
    type: boolean,
    default: false,
    doc: "the API server of the cluster this is a pod of, as the pod's service account",
    change: 'live',
    excludedBy: ['sources.kubernetes.kubeconfig', 'sources.kubernetes.server'],
  }),
};

/** What the API server said last. */
export const SAVED_STATE = {
  'savedState.file': option({
    flag: 'saved-state',
    type: path('a file, or "" for none', String),
    default: join(STATE_DIRECTORY, 'cluster-state'),
    defaultDoc: "`/var/lib/podwire/cluster-state`, or that file in systemd's `StateDirectory`",
    doc: 'file that keeps what the API server said last, for a start without it; "" for none',
    change: 'live',
  }),
};
