import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { anonymousAccess } from '../cluster/kube/kubeconfig.ts';
import { readState, writeState } from '../cluster/saved-state/file.ts';
import { ClusterSources, type ServerOptions } from './cluster-sources.ts';
import { HealthRegistry } from './health/registry.ts';
import { openLog } from './log.ts';
import { AgentMetrics } from './metrics.ts';

/*
 * A server of ours in the place of an API server, for the moments in which another one takes its place. Following
 * one is tried with a real one, in test/conformance/kube.
 */

const PATIENCE = { timeout: 20_000, interval: 10 };
/** More than are put into the store at once. */
const SERVICES = 1_000;
const services = Array.from({ length: SERVICES }, (_, index) => ({
  metadata: { name: `s-${index}`, namespace: 'default' },
  spec: {},
}));

const patched: string[] = [];
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://any');
  if (request.method === 'PATCH') {
    patched.push(url.pathname);
    response.end('{}');
  } else if (url.searchParams.has('sendInitialEvents')) {
    response.writeHead(422).end(JSON.stringify({ message: 'no streams' }));
  } else if (url.searchParams.has('watch')) {
    response.writeHead(200).flushHeaders();
  } else {
    const items = url.pathname.endsWith('/services') ? services : [];
    response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items }));
  }
});

let directory: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-cluster-sources-'));
  patched.length = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  // What was known is saved once more when it is let go of.
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

/** The server, whose state is saved in a file of this name. */
function kube(savedState?: string): ServerOptions {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port');
  return {
    kube: anonymousAccess(`http://127.0.0.1:${address.port}`),
    ...(savedState === undefined ? {} : { savedState: join(directory, savedState) }),
  };
}

function open(options: ServerOptions) {
  const health = new HealthRegistry();
  const metrics = new AgentMetrics('test', health, 'nftables');
  const about = { nodeName: 'node-1', userAgent: 'test' };
  const all = { ...options, allNodes: false };
  const sources = new ClusterSources(all, about, openLog('silent'), metrics, health);
  const replace = (server: ServerOptions) => sources.prepare({ server }).commit();
  return { sources, metrics, replace, [Symbol.dispose]: () => sources[Symbol.dispose]() };
}

describe('ClusterSources', () => {
  it('changes objects by the server that is followed now', async () => {
    using opened = open(kube('a'));
    const { sources, metrics, replace } = opened;
    const { patch } = sources;
    await vi.waitFor(() => expect(sources.store.isComplete).toBe(true), PATIENCE);
    const before = metrics.kube.status;
    replace(kube('b'));
    await vi.waitFor(() => {
      expect(metrics.kube.status).not.toBe(before);
      expect(metrics.kube.status?.().isCurrent).toBe(true);
    }, PATIENCE);
    await patch?.('/api/v1/nodes/node-1/status', {});
    expect(patched).toEqual(['/api/v1/nodes/node-1/status']);
    replace({});
    await expect(patch?.('/api/v1/nodes/node-1/status', {})).rejects.toThrow(
      'no API server is followed any more',
    );
  });

  it('saves what another server says in a directory that was not there', async () => {
    using opened = open(kube('a'));
    const { sources, metrics, replace } = opened;
    await vi.waitFor(() => expect(sources.store.isComplete).toBe(true), PATIENCE);
    const before = metrics.kube.status;
    replace(kube('new/b'));
    await vi.waitFor(() => {
      expect(metrics.kube.status).not.toBe(before);
      expect(metrics.kube.status?.().isSynced).toBe(true);
    }, PATIENCE);
    const saved = () => readState(join(directory, 'new/b'))?.objects.length;
    await vi.waitFor(() => expect(saved()).toBe(SERVICES), PATIENCE);
  });

  it('says what is wrong with a directory of manifests once it is followed, and no longer', async () => {
    writeFileSync(join(directory, 'broken.yaml'), 'kind: [');
    using opened = open({});
    const { sources, metrics } = opened;
    const errors = async () =>
      (await metrics.registry.getSingleMetric('podwire_manifest_errors')?.get())?.values[0]?.value;
    sources.prepare({ manifests: { directory } }).discard();
    expect(await errors()).toBe(0);
    sources.prepare({ manifests: { directory } }).commit();
    expect(await errors()).toBe(1);
    sources.prepare({ manifests: { directory: undefined } }).commit();
    expect(await errors()).toBe(0);
  });

  it('has nothing out of date once a server that is away is let go of', async () => {
    const away = kube('a');
    const { kube: access, savedState = '' } = away;
    server.close();
    const origin = access?.server.origin ?? '';
    await writeState(savedState, { origin, savedMs: 0, objects: [] });
    using opened = open(away);
    const { store } = opened.sources;
    await vi.waitFor(() => expect(store.isStale).toBe(true), PATIENCE);
    opened.replace({});
    await vi.waitFor(() => expect(store.isStale).toBe(false), PATIENCE);
  });

  it('leaves nothing of a server that was let go of while its objects came', async () => {
    using opened = open({});
    const { sources, metrics, replace } = opened;
    const { store } = sources;
    const begun = Promise.withResolvers<void>();
    store.subscribe(() => begun.resolve());
    replace(kube());
    await begun.promise;
    expect(store.services.size).toBeGreaterThan(0);
    expect(store.services.size).toBeLessThan(SERVICES);
    replace({});
    await vi.waitFor(() => expect(store.services.size).toBe(0), PATIENCE);
    const text = await metrics.registry.metrics();
    expect(text).toContain('podwire_kube_objects 0\n');
    expect(text).toContain('podwire_kube_stale_seconds 0\n');
  });
});
