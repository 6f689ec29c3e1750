import { etcdOriginOf } from '../../../agent/cluster-sources.ts';
import type { Values } from '../../../agent/config/definitions.ts';
import { checkSources, hasSources, sourceOptions } from '../../../agent/config/source-options.ts';
import type { KubeProxySettings } from '../../../agent/kube-proxy/settings.ts';
import { EtcdSource } from '../../../cluster/etcd/source.ts';
import { KubeSource } from '../../../cluster/kube/source.ts';
import { ManifestDirectory } from '../../../cluster/manifests/directory.ts';
import { readState, type SavedState } from '../../../cluster/saved-state/file.ts';
import type { ServerEvents, ServerSource } from '../../../cluster/server-source.ts';
import { Store, type StorePart } from '../../../cluster/store.ts';
import { PodwireError } from '../../../errors.ts';
import { workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';
import { orInputError } from '../agent/options.ts';

/** A server that gave nothing for so long is not waited for. */
const SERVER_TIMEOUT_MS = 10_000;

/**
 * The cluster's objects as the agent's sources have them now. Of a server that can't be read, and where
 * no source is named, it is what the agent has saved; so it is said on stderr, as is what is wrong with
 * manifests. Throws ConfigError where there is nothing of the kind, and when a source can't be read.
 */
export async function readSources(
  values: Values,
  { nodeName }: Pick<KubeProxySettings, 'nodeName'>,
): Promise<Store> {
  const store = new Store();
  const { manifests, kube, etcd, savedState } = sourceOptions(values);
  if (!hasSources(values)) {
    const saved = savedOf(savedState);
    if (saved === undefined) orInputError(() => checkSources(values));
    else restore(store.part(), saved, 'no source is named');
  }
  if (manifests !== undefined) {
    const part = store.part();
    const { errors } = new ManifestDirectory(manifests).scan((objects) => part.apply(objects, []));
    for (const error of errors) process.stderr.write(`podwire: ${error.message}\n`);
  }
  const read = async (origin: string, open: Open): Promise<void> => {
    const part = store.part();
    const saved = savedOf(savedState, origin);
    try {
      await readServer(origin, saved !== undefined, (events) => open(part, events));
    } catch (error) {
      if (saved === undefined || !(error instanceof PodwireError)) throw error;
      restore(part, saved, error.message);
    }
  };
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
    await read(kube.server.origin, (part, events) => {
      return new KubeSource(part, { ...wanted, access: kube }, events);
    });
  }
  if (etcd !== undefined) {
    await read(etcdOriginOf(etcd.access, etcd.prefix), (part, events) => {
      return new EtcdSource(part, { ...etcd, userAgent }, events);
    });
  }
  return store;
}

/** Opens a source of a server. */
type Open = (part: StorePart, events: ServerEvents) => ServerSource;

/** What the agent has saved of a server, or of whichever it was. Throws SavedStateError. */
function savedOf(file: string | undefined, origin?: string): SavedState | undefined {
  return file === undefined ? undefined : readState(file, origin);
}

/** Makes what was saved all that a part has, and says so with the reason. */
function restore(part: StorePart, { origin, savedMs, objects }: SavedState, reason: string): void {
  const savedAt = new Date(savedMs).toISOString();
  process.stderr.write(`podwire: ${reason}: by the saved state, of ${origin} at ${savedAt}\n`);
  part.replace(objects);
}

/**
 * Waits until a source has put into the store what its server has. Throws PodwireError when it does not,
 * at the first thing that goes wrong where there is something else to go by.
 */
async function readServer(
  origin: string,
  isDispensable: boolean,
  open: (events: ServerEvents) => ServerSource,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = 'no answer';
  using source = open({
    onSynced: resolve,
    onError(error) {
      last = error;
      if (isDispensable) reject(new PodwireError('ERR_SOURCE', error));
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
