import type { Values } from '../../../agent/config/definitions.ts';
import { sourceOptions } from '../../../agent/config/source-options.ts';
import type { KubeProxySettings } from '../../../agent/kube-proxy/settings.ts';
import { EtcdSource } from '../../../cluster/etcd/source.ts';
import { KubeSource } from '../../../cluster/kube/source.ts';
import { ManifestDirectory } from '../../../cluster/manifests/directory.ts';
import type { ServerEvents, ServerSource } from '../../../cluster/server-source.ts';
import { Store } from '../../../cluster/store.ts';
import { PodwireError } from '../../../errors.ts';
import { workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';

/** A server that gave nothing for so long is not waited for. */
const SERVER_TIMEOUT_MS = 10_000;

/**
 * The cluster's objects as the agent's sources have them now. Manifests that are wrong are told of on
 * stderr. Throws when a source can't be read.
 */
export async function readSources(
  values: Values,
  { nodeName }: Pick<KubeProxySettings, 'nodeName'>,
): Promise<Store> {
  const store = new Store();
  const { manifests, kube, etcd } = sourceOptions(values);
  if (manifests !== undefined) {
    const part = store.part();
    const { errors } = new ManifestDirectory(manifests).scan((objects) => part.apply(objects, []));
    for (const error of errors) process.stderr.write(`podwire: ${error.message}\n`);
  }
  const userAgent = `podwire/${VERSION}`;
  const spawnDecoder = workerSpawner('cluster/decode-worker');
  const wanted = {
    nodeName,
    userAgent,
    nodes: 'own',
    pods: 'none',
    imports: false,
    spawnDecoder,
  } as const;
  if (kube !== undefined) {
    await readServer(kube.server.origin, (events) => {
      return new KubeSource(store.part(), { ...wanted, access: kube }, events);
    });
  }
  if (etcd !== undefined) {
    const origin = etcd.access.endpoints.join(',');
    await readServer(origin, (events) => {
      return new EtcdSource(store.part(), { ...etcd, userAgent }, events);
    });
  }
  return store;
}

/** Waits until a source has put into the store what its server has. Throws PodwireError when it does not. */
async function readServer(
  origin: string,
  open: (events: ServerEvents) => ServerSource,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = 'no answer';
  using source = open({
    onSynced: resolve,
    onError(error) {
      last = error;
    },
    onRecovered() {},
  });
  const timer = setTimeout(() => {
    const problem = `${origin}: ${last} in ${SERVER_TIMEOUT_MS} ms`;
    reject(new PodwireError('ERR_SOURCE', problem));
  }, SERVER_TIMEOUT_MS);
  source.start();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}
