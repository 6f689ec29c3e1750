import type { Values } from '../../../agent/config/definitions.ts';
import { sourceOptions } from '../../../agent/config/source-options.ts';
import type { KubeProxySettings } from '../../../agent/kube-proxy/settings.ts';
import { KubeSource } from '../../../cluster/kube/source.ts';
import { ManifestDirectory } from '../../../cluster/manifests/directory.ts';
import { Store } from '../../../cluster/store.ts';
import { PodwireError } from '../../../errors.ts';
import { workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';

/** An API server that gave nothing for so long is not waited for. */
const KUBE_TIMEOUT_MS = 10_000;

/**
 * The cluster's objects as the agent's sources have them now. Manifests that are wrong are told of on
 * stderr. Throws when a source can't be read.
 */
export async function readSources(
  values: Values,
  { nodeName }: Pick<KubeProxySettings, 'nodeName'>,
): Promise<Store> {
  const store = new Store();
  const { manifests, kube: access } = sourceOptions(values);
  if (manifests !== undefined) {
    const { changed, errors } = new ManifestDirectory(manifests).scan();
    for (const error of errors) process.stderr.write(`podwire: ${error.message}\n`);
    store.part().apply(changed, []);
  }
  if (access === undefined) return store;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = 'no answer';
  const userAgent = `podwire/${VERSION}`;
  const spawnDecoder = workerSpawner('cluster/decode-worker');
  using source = new KubeSource(
    store.part(),
    { nodeName, userAgent, access, pods: 'none', imports: false, spawnDecoder },
    {
      onSynced: resolve,
      onError(error) {
        last = String(error);
      },
      onRecovered() {},
    },
  );
  const timer = setTimeout(() => {
    const problem = `${access.server.origin}: ${last} in ${KUBE_TIMEOUT_MS} ms`;
    reject(new PodwireError('ERR_SOURCE', problem));
  }, KUBE_TIMEOUT_MS);
  source.start();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
  return store;
}
