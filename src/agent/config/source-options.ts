import { type EtcdAccess, etcdAccess } from '../../cluster/etcd/access.ts';
import type { Access } from '../../cluster/kube/access.ts';
import { inClusterAccess } from '../../cluster/kube/in-cluster.ts';
import { anonymousAccess, kubeconfigAccess } from '../../cluster/kube/kubeconfig.ts';
import type { SourceChanges, SourceOptions } from '../cluster-sources.ts';
import { OPTIONS, type OptionName, SOURCE_NAMES, type Values } from './definitions.ts';
import { ConfigError } from './fault.ts';

/** Whether the values name any source. */
export function hasSources(values: Values): boolean {
  return SOURCE_NAMES.some((name) => values[name] !== undefined && values[name] !== false);
}

/** Throws ConfigError where the values name no source at all. */
export function checkSources(values: Values): void {
  if (hasSources(values)) return;
  const flags = SOURCE_NAMES.map((name) => `--${OPTIONS[name].flag}`);
  const problem = `expected a source: ${flags.slice(0, -1).join(', ')} or ${flags.at(-1)}`;
  throw new ConfigError([{ where: '', field: '', problem }]);
}

/** What the values mean; reads the files they name. Throws AccessError. */
export function sourceOptions(values: Values): SourceOptions {
  const manifests = values['sources.manifests.directory'];
  const kube = accessOf(values);
  const etcd = values['sources.etcd.endpoints'] && etcdPlace(values);
  const savedState = values['savedState.file'];
  return {
    ...(manifests === undefined ? {} : { manifests }),
    ...(kube === undefined ? {} : { kube }),
    ...(etcd === undefined ? {} : { etcd }),
    ...(values['node.register'] ? { register: { addresses: values['node.addresses'] } } : {}),
    ...(savedState === '' ? {} : { savedState }),
    allNodes: values['overlay.backend'] !== 'none',
  };
}

/** What of the sources is to be otherwise when these options are. Throws AccessError. */
export function sourceChanges(names: readonly OptionName[], values: Values): SourceChanges {
  const touches = (...subjects: readonly string[]) =>
    names.some((name) => subjects.some((subject) => name.startsWith(`${subject}.`)));
  const directory = values['sources.manifests.directory'];
  return {
    ...(touches('sources.manifests') ? { manifests: { directory } } : {}),
    ...(touches('sources.kubernetes', 'sources.etcd', 'savedState')
      ? { server: sourceOptions(values) }
      : {}),
  };
}

function accessOf(values: Values): Access | undefined {
  const kubeconfig = values['sources.kubernetes.kubeconfig'];
  const server = values['sources.kubernetes.server'];
  if (values['sources.kubernetes.inCluster']) return inClusterAccess();
  if (kubeconfig !== undefined) return kubeconfigAccess(kubeconfig, server);
  return server === undefined ? undefined : anonymousAccess(server);
}

/** An etcd, and what the keys of the objects there begin with. */
export interface EtcdPlace {
  readonly access: EtcdAccess;
  readonly prefix: string;
}

/** Where etcd listens where nobody says otherwise. */
const ENDPOINTS = ['http://127.0.0.1:2379'];

/** The etcd the values name, by default one on this machine; reads the files they name. Throws AccessError. */
export function etcdPlace(values: Values): EtcdPlace {
  const access = etcdAccess({
    endpoints: values['sources.etcd.endpoints'] ?? ENDPOINTS,
    cacert: values['sources.etcd.cacert'],
    cert: values['sources.etcd.cert'],
    key: values['sources.etcd.key'],
    username: values['sources.etcd.username'],
    passwordFile: values['sources.etcd.passwordFile'],
  });
  return { access, prefix: values['sources.etcd.prefix'] };
}
