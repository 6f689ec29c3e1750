import type { Values } from '../../agent/config/definitions.ts';
import { checkSources, hasSources, sourceOptions } from '../../agent/config/source-options.ts';
import type { KubeProxySettings } from '../../agent/kube-proxy/settings.ts';
import { etcdOrigin } from '../../cluster/etcd/access.ts';
import { EtcdSource } from '../../cluster/etcd/source.ts';
import { KubeSource } from '../../cluster/kube/source.ts';
import { ManifestDirectory } from '../../cluster/manifests/directory.ts';
import { readState, type SavedState } from '../../cluster/saved-state/file.ts';
import type { ServerEvents, ServerSource } from '../../cluster/server-source.ts';
import { Store, type StorePart } from '../../cluster/store.ts';
import { PodwireError } from '../../errors.ts';
import { workerSpawner } from '../self.ts';
import { VERSION } from '../version.ts';
import { orInputError } from './agent/options.ts';

/** A server that gave nothing for so long is not waited for. */
const SERVER_TIMEOUT_MS = 10_000;
/** Nor one that says nothing at all, where there is something that was saved. */
const SILENCE_MS = 1_000;

/**
 * The cluster's objects as the agent's sources have them now. Manifests that are wrong, and a server that does
 * not answer, are told of on stderr. Where no source is named it is what the agent has saved. Throws when a source
 * can't be read, and nothing of it was saved.
 */
export async function readSources(
  values: Values,
  { nodeName }: Pick<KubeProxySettings, 'nodeName'>,
): Promise<Store> {
  const store = new Store();
  const { manifests, kube, etcd, savedState } = sourceOptions(values);
  if (!hasSources(values)) restoreAny(store.part(), values, savedState);
  if (manifests !== undefined) {
    const part = store.part();
    const { errors } = new ManifestDirectory(manifests).scan((objects) => part.apply(objects, []));
    for (const error of errors) tell(error.message);
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
    await readServer(store.part(), kube.server.origin, savedState, (part, events) => {
      return new KubeSource(part, { ...wanted, access: kube }, events);
    });
  }
  if (etcd !== undefined) {
    const origin = etcdOrigin(etcd.access, etcd.prefix);
    await readServer(store.part(), origin, savedState, (part, events) => {
      return new EtcdSource(part, { ...etcd, userAgent }, events);
    });
  }
  return store;
}

/** Takes what was saved, of whichever server. Throws InputError where there is nothing. */
function restoreAny(part: StorePart, values: Values, savedState: string | undefined): void {
  const saved = savedState === undefined ? undefined : readState(savedState);
  if (saved === undefined) {
    orInputError(() => checkSources(values));
    return;
  }
  const savedAt = new Date(saved.savedMs).toISOString();
  tell(`no source is named; this is what was saved of ${saved.origin} at ${savedAt}`);
  part.replace(saved.objects);
}

/**
 * Waits until a source has put into the store what its server has, and takes what was saved of it when it does
 * not. Throws PodwireError when there is neither.
 */
async function readServer(
  part: StorePart,
  origin: string,
  savedState: string | undefined,
  open: (part: StorePart, events: ServerEvents) => ServerSource,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = `${origin}: no answer`;
  using source = open(part, {
    onSynced: resolve,
    onError(error) {
      last = error;
    },
    onRecovered() {},
  });
  let saved: SavedState | undefined;
  const giveUp = (ms: number) => reject(new PodwireError('ERR_SOURCE', `${last} in ${ms} ms`));
  const silence = setTimeout(() => {
    if (source.status.heardMs !== undefined) return;
    saved = savedOf(savedState, origin);
    if (saved !== undefined) giveUp(SILENCE_MS);
  }, SILENCE_MS);
  const timer = setTimeout(() => giveUp(SERVER_TIMEOUT_MS), SERVER_TIMEOUT_MS);
  source.start();
  try {
    await promise;
  } catch (error) {
    if (saved === undefined) throw error;
    const savedAt = new Date(saved.savedMs).toISOString();
    tell(`${(error as Error).message}; this is what was saved at ${savedAt}`);
    source.restore(saved.objects, saved.savedMs);
  } finally {
    clearTimeout(silence);
    clearTimeout(timer);
  }
}

function savedOf(file: string | undefined, origin: string): SavedState | undefined {
  if (file === undefined) return undefined;
  try {
    return readState(file, origin);
  } catch (error) {
    tell((error as Error).message);
    return undefined;
  }
}

function tell(text: string): void {
  process.stderr.write(`podwire: ${text}\n`);
}
