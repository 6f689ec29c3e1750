import { join } from 'node:path';
import { option } from '../option.ts';
import { boolean, listOf, maybe, path, text, url } from '../value-type.ts';

/** Where services keep what they know; systemd's StateDirectory says it, as the first of a list. */
const [STATE_DIRECTORY = ''] = (process.env.STATE_DIRECTORY ?? '/var/lib/podwire').split(':');

/** Where the cluster's objects come from, one or several. */
export const SOURCES = {
  'sources.manifests.directory': option({
    flag: 'manifests',
    type: maybe(path('a directory')),
    default: undefined,
    doc: 'directory of Kubernetes YAML; its objects go before those of a server',
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
  'sources.etcd.endpoints': option({
    flag: 'etcd-endpoints',
    type: maybe(listOf(url('a URL such as https://10.0.0.1:2379', ['http:', 'https:']))),
    default: undefined,
    doc: 'the members of an etcd that has the objects; any of them will do',
    change: 'live',
    excludedBy: [
      'sources.kubernetes.kubeconfig',
      'sources.kubernetes.server',
      'sources.kubernetes.inCluster',
    ],
  }),
};

const PREFIX = 'a path such as /podwire';

/** Where in etcd the objects are, and who asks; named as etcdctl and kube-apiserver name it. */
export const ETCD = {
  'sources.etcd.prefix': option({
    flag: 'etcd-prefix',
    type: text(PREFIX, (value) => {
      if (/^(\/[^\s/]+)+$/.test(value)) return value;
      throw new Error(`expected ${PREFIX}, got ${JSON.stringify(value)}`);
    }),
    default: '/podwire',
    doc: 'what the keys of the objects in etcd begin with',
    change: 'live',
  }),
  'sources.etcd.cacert': option({
    flag: 'etcd-cacert',
    type: maybe(path('a file')),
    default: undefined,
    doc: 'the certificate authorities that etcd is trusted by',
    change: 'live',
  }),
  'sources.etcd.cert': option({
    flag: 'etcd-cert',
    type: maybe(path('a file')),
    default: undefined,
    doc: 'the certificate that etcd is shown',
    change: 'live',
    needs: ['sources.etcd.key'],
  }),
  'sources.etcd.key': option({
    flag: 'etcd-key',
    type: maybe(path('a file')),
    default: undefined,
    doc: 'its key',
    change: 'live',
    needs: ['sources.etcd.cert'],
  }),
  'sources.etcd.username': option({
    flag: 'etcd-username',
    type: maybe(text('a name')),
    default: undefined,
    doc: 'the user, where etcd asks for one',
    change: 'live',
    needs: ['sources.etcd.passwordFile'],
  }),
  'sources.etcd.passwordFile': option({
    flag: 'etcd-password-file',
    type: maybe(path('a file')),
    default: undefined,
    doc: "a file with the user's password",
    change: 'live',
    needs: ['sources.etcd.username'],
  }),
};

/** What the server said last. */
export const SAVED_STATE = {
  'savedState.file': option({
    flag: 'saved-state',
    type: path('a file, or "" for none', String),
    default: join(STATE_DIRECTORY, 'cluster-state'),
    defaultDoc: "`/var/lib/podwire/cluster-state`, or that file in systemd's `StateDirectory`",
    doc: 'file that keeps what the server said last, for a start without it; "" for none',
    change: 'live',
  }),
};
