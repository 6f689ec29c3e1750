import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfigAccess } from '../../../src/cluster/kube/kubeconfig.ts';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { ControlPlane } from './control-plane.ts';
import { follow } from './follow.ts';
import { Gate } from './gate.ts';

const RBAC = join(import.meta.dirname, '../../../deploy/rbac.yaml');

/** The API server makes this one itself. */
const OWN = 'kubernetes';

const service = (name: string, clusterIP = '') => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, annotations: { note: 'nobody reads this' } },
  spec: { ports: [{ port: 80 }], ...(clusterIP === '' ? {} : { clusterIP }) },
});

const PATH = '/api/v1/namespaces/default/services';

describe.each(['debian', 'peer'] as const)('KubeSource with the etcd of %s', (etcd) => {
  needPeer('kubernetes');
  if (etcd === 'peer') needPeer('etcd');
  const isMissing = ['kubernetes', etcd === 'peer' ? 'etcd' : 'kubernetes'].some(peerMissing);
  let plane: ControlPlane;

  beforeAll(async () => {
    if (isMissing) return;
    plane = await ControlPlane.start({ etcd });
    plane.kubectl('', 'apply', '-f', RBAC);
  });
  afterAll(async () => {
    if (!isMissing) await plane[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    if (isMissing) return;
    const { items } = (await plane.api('GET', PATH)) as { items: { metadata: { name: string } }[] };
    for (const { metadata } of items) {
      if (metadata.name !== OWN) await plane.api('DELETE', `${PATH}/${metadata.name}`);
    }
  });

  const create = async (...names: string[]): Promise<void> => {
    for (const name of names) await plane.api('POST', PATH, service(name));
  };
  const remove = async (name: string): Promise<void> => {
    await plane.api('DELETE', `${PATH}/${name}`);
  };

  it('follows what kubectl does, with the rights of deploy/rbac.yaml and no request refused', async () => {
    await create('early');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')));
    await followed.hasServices(OWN, 'early');
    // All at once: no listener sees Services before their endpoints.
    expect(followed.changes).toHaveLength(1);
    expect([...followed.store.namespaces.keys()]).toContain('kube-system');
    expect([...followed.store.serviceCidrs.values()].map(({ cidrs }) => cidrs)).toEqual([
      ['10.96.0.0/16'],
    ]);
    expect(followed.store.slicesOf('default', OWN)).toHaveLength(1);
    plane.kubectl('', 'create', 'service', 'clusterip', 'web', '--tcp=80:8080');
    await followed.hasServices(OWN, 'early', 'web');
    plane.kubectl(
      '',
      'patch',
      'service',
      'web',
      '--patch={"spec":{"ports":[{"port":81,"name":"more"}]}}',
    );
    await expect
      .poll(() => followed.store.services.get('default/web')?.ports.map(({ port }) => port))
      .toContain(81);
    plane.kubectl('', 'delete', 'service', 'early');
    await followed.hasServices(OWN, 'web');
    expect(followed.store.services.get('default/web')?.metadata.annotations).toEqual({});
    await followed.isCurrent();
    expect(followed.messages).toEqual([]);
    const audit = plane.audit();
    expect(audit.length).toBeGreaterThan(0);
    expect(audit.filter(({ status }) => status !== 200)).toEqual([]);
    const resources = audit.map(({ request }) => request.replace(/^.* /, ''));
    expect([...new Set(resources)].sort((a, b) => (a < b ? -1 : 1))).toEqual([
      'endpointslices',
      'namespaces',
      'nodes',
      'servicecidrs',
      'services',
    ]);
    // The list is streamed where the server can.
    const lists = audit.filter(({ request }) => request === 'list services');
    expect(lists.length > 0).toBe(etcd === 'debian');
  });

  it('reads a list in pages', async () => {
    await create('a', 'b', 'c', 'd', 'e');
    const before = plane.audit().length;
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')), { pageObjects: 2 });
    await followed.hasServices(OWN, 'a', 'b', 'c', 'd', 'e');
    const lists = plane.audit().slice(before);
    const pages = lists.filter(({ request }) => request === 'list services').length;
    expect(pages).toBe(etcd === 'debian' ? 3 : 0);
    expect(followed.messages).toEqual([]);
  });

  it('keeps what it knows while the server is gone, and then applies the difference alone', async () => {
    await create('a', 'b');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')));
    await followed.hasServices(OWN, 'a', 'b');
    await followed.isCurrent();
    const before = followed.changes.length;
    await plane.stopServer();
    await followed.hasFailed(/ECONNREFUSED|closed|ECONNRESET/);
    expect(followed.source.status).toMatchObject({ isSynced: true, isCurrent: false });
    expect(followed.source.status.staleSinceMs).toBeGreaterThan(0);
    await followed.hasServices(OWN, 'a', 'b');
    await plane.startServer();
    await create('c');
    await remove('a');
    await followed.hasServices(OWN, 'b', 'c');
    await followed.isCurrent();
    // A server that starts may write its own Service anew.
    const touched = new Set(followed.changes.slice(before).flat());
    touched.delete(`default/${OWN}`);
    expect([...touched].sort()).toEqual(['default/a', 'default/c']);
    await expect.poll(() => followed.messages.at(-1)).toBe('recovered');
  });

  it('lists again when the server has forgotten what came since, and forgets nothing itself', async () => {
    await create('a', 'b');
    using gate = await Gate.open(plane.port);
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire'), gate.url));
    await followed.hasServices(OWN, 'a', 'b');
    await followed.isCurrent();
    gate.shut();
    await followed.hasFailed(/./);
    const before = followed.changes.length;
    await create('c');
    await remove('a');
    await plane.compact();
    await plane.stopServer();
    await plane.startServer();
    const asked = plane.audit().length;
    gate.reopen();
    await followed.hasServices(OWN, 'b', 'c');
    await followed.isCurrent();
    const touched = new Set(followed.changes.slice(before).flat());
    touched.delete(`default/${OWN}`);
    expect([...touched].sort()).toEqual(['default/a', 'default/c']);
    const requests = plane.audit().slice(asked);
    expect(requests.filter(({ request }) => request === 'watch services').length).toBeGreaterThan(
      1,
    );
  });

  it('follows the pods that are wanted, and those of other phases no more', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    const pod = async (name: string, nodeName: string, ip: string) => {
      const spec = { nodeName, containers: [{ name: 'a', image: 'a' }] };
      await plane.api('POST', pods, { metadata: { name }, spec });
      await phase(name, 'Running', ip);
    };
    const phase = async (name: string, phase: string, ip: string) =>
      plane.api('PUT', `${pods}/${name}/status`, {
        ...((await plane.api('GET', `${pods}/${name}`)) as object),
        status: { phase, podIP: ip, podIPs: [{ ip }] },
      });
    plane.kubectl('', 'apply', '-f', RBAC.replace('rbac', 'rbac-pods'));
    await pod('here', 'node-1', '10.1.0.1');
    await pod('there', 'node-2', '10.1.0.2');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')));
    const names = () => [...followed.store.pods.keys()].sort((a, b) => (a < b ? -1 : 1));
    await followed.hasServices(OWN);
    await followed.isCurrent();
    expect(names()).toEqual([]);
    followed.source.want({ pods: 'all' });
    await expect.poll(names).toEqual(['default/here', 'default/there']);
    expect(followed.store.pods.get('default/there')?.podIPs).toEqual(['10.1.0.2']);
    followed.source.want({ pods: 'own' });
    await expect.poll(names).toEqual(['default/here']);
    await phase('here', 'Succeeded', '10.1.0.1');
    await expect.poll(names).toEqual([]);
    followed.source.want({ pods: 'all' });
    await expect.poll(names).toEqual(['default/there']);
    followed.source.want({ pods: 'none', imports: true });
    expect(names()).toEqual([]);
    await followed.isCurrent();
    const states = followed.source.status.resources.map(({ path, state }) => `${state} ${path}`);
    // The server knows nothing of other clusters.
    expect(states.at(-1)).toMatch(/^absent .*serviceimports$/);
    for (const name of ['here', 'there']) {
      await plane.api('DELETE', `${pods}/${name}?gracePeriodSeconds=0`);
    }
  });

  it('follows a server whose data went back in time', async () => {
    await create('a');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')));
    await followed.hasServices(OWN, 'a');
    const [data, copy] = ['etcd', 'etcd-copy'].map((name) => join(plane.directory, name));
    if (data === undefined || copy === undefined) throw new Error('expected two paths');
    await plane.stopServer();
    await plane.stopEtcd();
    cpSync(data, copy, { recursive: true });
    plane.startEtcd();
    await plane.startServer();
    for (let index = 0; index < 20; index += 1) await create(`late-${index}`);
    await remove('a');
    await expect.poll(() => followed.store.services.size, { timeout: 40_000 }).toBe(21);
    await plane.stopServer();
    await plane.stopEtcd();
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    plane.startEtcd();
    await plane.startServer();
    await followed.hasServices(OWN, 'a');
    await create('b');
    await followed.hasServices(OWN, 'a', 'b');
  });

  it('takes a connection that is silent for dead', async () => {
    await create('a');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')), {
      pingIntervalMs: 100,
      connectTimeoutMs: 500,
    });
    await followed.hasServices(OWN, 'a');
    plane.server.kill('SIGSTOP');
    await followed.hasFailed(/the connection is dead, no answer to a ping/);
    await followed.hasFailed(/no connection within 0.5 s/);
    await followed.hasServices(OWN, 'a');
    plane.server.kill('SIGCONT');
    await create('b');
    await followed.hasServices(OWN, 'a', 'b');
    await followed.isCurrent();
  });

  it('converges over a way that cuts answers anywhere, and one that blocks', async () => {
    await create('a', 'b', 'c');
    using gate = await Gate.open(plane.port);
    const open = () => {
      const access = kubeconfigAccess(plane.kubeconfig('podwire'), gate.url);
      return follow(access, { pingIntervalMs: 100, connectTimeoutMs: 500 });
    };
    // In the handshake, in the headers, in the lists, in the watches.
    for (const bytes of [500, 2_000, 3_000, 4_000, 5_000, 6_000]) {
      gate.cutAfter(bytes);
      using cut = open();
      await cut.hasServices(OWN, 'a', 'b', 'c');
      await cut.isCurrent();
    }
    expect(gate.cuts).toBeGreaterThanOrEqual(5);
    using followed = open();
    await followed.hasServices(OWN, 'a', 'b', 'c');
    await followed.isCurrent();
    gate.block();
    await followed.hasFailed(/the connection is dead/);
    await create('d');
    gate.reopen();
    await followed.hasServices(OWN, 'a', 'b', 'c', 'd');
    await followed.isCurrent();
  });

  it('speaks HTTP/1.1 where the server has no other', async () => {
    await plane.stopServer();
    await plane.startServer('--disable-http2-serving');
    await create('a');
    using followed = follow(kubeconfigAccess(plane.kubeconfig('podwire')), { watchIdleMs: 1_000 });
    await followed.hasServices(OWN, 'a');
    await followed.isCurrent();
    await create('b');
    await followed.hasServices(OWN, 'a', 'b');
    plane.server.kill('SIGSTOP');
    await followed.hasFailed(/nothing heard for 1 s/);
    plane.server.kill('SIGCONT');
    await create('c');
    await followed.hasServices(OWN, 'a', 'b', 'c');
    await plane.stopServer();
    await plane.startServer();
  });
});
