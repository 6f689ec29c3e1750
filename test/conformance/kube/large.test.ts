import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfigAccess } from '../../../src/cluster/kube/kubeconfig.ts';
import type { KubeSource } from '../../../src/cluster/kube/source.ts';
import type { Followed } from '../../integration/cluster/followed.ts';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { ControlPlane } from './control-plane.ts';
import { follow } from './follow.ts';

const RBAC = join(import.meta.dirname, '../../../deploy/rbac.yaml');
const PATIENCE = { timeout: 60_000, interval: 50 };
const SERVICES = 10_000;

/** What comes and goes with a re-list and is no leak: caches, and code that was compiled meanwhile. */
const HEAP_MB_SPARE = 8;

const metadata = (name: string, more: object = {}) => ({
  name,
  namespace: 'default',
  uid: `00000000-0000-0000-0000-${name.replace(/\D/g, '').padStart(12, '0')}`,
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});

/** Services and their slices, by the paths at which an API server keeps them. */
function objects(): Record<string, object> {
  const all: Record<string, object> = {};
  for (let index = 0; index < SERVICES; index += 1) {
    const name = `many-${index}`;
    const clusterIP = `10.96.${100 + (index >> 8)}.${index & 255}`;
    all[`services/specs/default/${name}`] = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(name),
      spec: {
        type: 'ClusterIP',
        clusterIP,
        clusterIPs: [clusterIP],
        ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
      },
    };
    all[`endpointslices/default/${name}-x`] = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: metadata(`${name}-x`, { labels: { 'kubernetes.io/service-name': name } }),
      addressType: 'IPv4',
      endpoints: [0, 1].map((at) => ({
        addresses: [`10.${64 + at}.${index >> 8}.${index & 255}`],
        conditions: { ready: true },
      })),
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    };
  }
  return all;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as NodeJS.GCFunction;

function heapMb(): number {
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}

describe(`${SERVICES} Services of an API server`, () => {
  for (const peer of ['kubernetes', 'etcd']) needPeer(peer);
  const isMissing = ['kubernetes', 'etcd'].some(peerMissing);
  let plane: ControlPlane;
  let followed: Followed<KubeSource>;

  beforeAll(async () => {
    if (isMissing) return;
    plane = await ControlPlane.start({ etcd: 'peer' });
    plane.kubectl('', 'apply', '-f', RBAC);
    await plane.store(objects());
    followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')));
  });
  afterAll(async () => {
    if (isMissing) return;
    followed[Symbol.dispose]();
    await plane[Symbol.asyncDispose]();
  });

  it('are all read, with a turn for others between', async () => {
    await expect.poll(() => followed.source.isSynced, PATIENCE).toBe(true);
    expect(followed.store.services.size).toBe(SERVICES + 1);
    const last = `many-${SERVICES - 1}`;
    expect(followed.store.slicesOf('default', last)[0]?.endpoints).toHaveLength(2);
    expect(followed.changes.length).toBeGreaterThan(100);
    expect(followed.messages).toEqual([]);
  });

  it('are compared when all is listed again, and held once', async () => {
    await followed.isCurrent();
    const held = heapMb();
    const told = followed.changes.length;
    await plane.stopServer();
    await plane.compact();
    await plane.startServer();
    await plane.api('DELETE', '/api/v1/namespaces/default/services/many-7');
    await expect.poll(() => followed.store.services.size, PATIENCE).toBe(SERVICES);
    await followed.isCurrent();
    const touched = new Set(followed.changes.slice(told).flat());
    touched.delete('default/kubernetes');
    expect([...touched]).toEqual(['default/many-7']);
    expect(heapMb() - held).toBeLessThan(HEAP_MB_SPARE);
  });
});
