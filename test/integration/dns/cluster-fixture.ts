import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseManifest } from '../../../src/cluster/manifests/parse.ts';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { Store } from '../../../src/cluster/store.ts';
import { ClusterDns, type ClusterDnsOptions } from '../../../src/dns/dns.ts';
import {
  KUBERNETES_ZONE_DEFAULTS,
  type KubernetesZoneOptions,
} from '../../../src/dns/zone/options.ts';

/** The objects of a file of `fixtures`. */
export function objectsOf(file: string): readonly ClusterObject[] {
  const path = join(import.meta.dirname, 'fixtures', `${file}.yaml`);
  return parseManifest(path, readFileSync(path, 'utf8')).objects;
}

/** The objects of a manifest. */
export function parse(text: string): readonly ClusterObject[] {
  return parseManifest('test', text).objects;
}

/** A server on a port of its own that answers from some objects. */
export interface RunningDns extends AsyncDisposable {
  readonly store: Store;
  readonly dns: ClusterDns;
  readonly port: number;
}

export async function startDns(
  objects: readonly ClusterObject[],
  zone: Partial<KubernetesZoneOptions> = {},
  more: Partial<ClusterDnsOptions> = {},
): Promise<RunningDns> {
  const store = new Store();
  store.replace(objects);
  const dns = await ClusterDns.start(store, {
    addresses: ['::'],
    port: 0,
    workers: 2,
    zone: { ...KUBERNETES_ZONE_DEFAULTS, ...zone },
    onFailure: (error) => {
      throw error;
    },
    ...more,
  });
  return { store, dns, port: dns.server.port, [Symbol.asyncDispose]: () => dns.stop() };
}
