import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { AgentNode, serviceYaml } from './agent-node.ts';
import { ControlPlane } from './control-plane.ts';

const RBAC = join(import.meta.dirname, '../../../deploy/rbac.yaml');
const PATIENCE = { timeout: 30_000, interval: 20 };
const NAME = 'web.default.svc.cluster.local';
const ADDRESS = '10.96.7.7';
/** Where the node is asked whether it has endpoints of a Service of policy Local. */
const HEALTH = '198.51.100.1:31999';
const LOCAL = `
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 31999
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: local-1
  labels: {kubernetes.io/service-name: local}
addressType: IPv4
endpoints: [{addresses: [192.0.2.10], nodeName: node-1}]
ports: [{name: http, port: 8080}]
`;
/** How a file ends that is all there. */
const WHOLE = /^\{"sha256":"\w+"\}\n$/m;

describe('podwire agent without its API server', () => {
  needPeer('kubernetes');
  const isMissing = peerMissing('kubernetes') !== undefined;
  let node: AgentNode;
  let plane: ControlPlane;
  let agent: ChildProcess;
  let file: string;

  const start = async (): Promise<number> => {
    const from = node.log.length;
    const kubeconfig = plane.kubeconfig('podwire');
    agent = await node.startAgent('--kubeconfig', kubeconfig, '--saved-state', file);
    return from;
  };
  const kill = async (): Promise<void> => {
    const exited = once(agent, 'exit');
    agent.kill('SIGKILL');
    await exited;
  };
  const savedText = (): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  };

  beforeAll(async () => {
    if (isMissing) return;
    node = await AgentNode.create('saved');
    plane = await ControlPlane.start({ etcd: 'debian', prefix: node.prefix });
    file = join(plane.directory, 'state', 'cluster');
    plane.kubectl('', 'apply', '-f', RBAC);
    plane.kubectl(`${serviceYaml('web', ADDRESS)}---${LOCAL}`, 'apply', '-f', '-');
    const addresses = [{ type: 'InternalIP', address: '198.51.100.1' }];
    const patch = ['--subresource=status', '--patch', JSON.stringify({ status: { addresses } })];
    plane.kubectl('', 'patch', 'node', 'node-1', ...patch);
  });
  afterAll(async () => {
    if (isMissing) return;
    await plane[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  it('starts again by what was saved: the rules stay, and health ports are open', async () => {
    await start();
    await expect.poll(savedText, PATIENCE).toMatch(WHOLE);
    expect(savedText()).toContain(ADDRESS);
    await kill();
    await plane.stopServer();
    const from = await start();
    await expect.poll(() => node.fetch(HEALTH), PATIENCE).toContain('"localEndpoints": 1');
    expect(node.log.slice(from)).toContain('the saved state is served');
    expect(await node.fetch(ADDRESS)).toBe('pod');
    // Tables that can be owned are taken over, and nothing in them is written.
    const changes = Array.from(node.log.slice(from).matchAll(/"changes":(\d+)/g), ([, count]) =>
      Number(count),
    );
    expect(Math.max(0, ...changes)).toBeLessThanOrEqual(2);
    await kill();
  });

  it('serves what was saved after a reboot: rules, names and health ports', async () => {
    node.forgetRules();
    expect(await node.fetch(ADDRESS)).not.toBe('pod');
    const from = await start();
    await expect.poll(() => node.fetch(ADDRESS), PATIENCE).toBe('pod');
    expect(await node.resolve(NAME)).toBe(ADDRESS);
    expect(await node.extendedError(NAME)).toBe('3 (Stale Answer)');
    expect(await node.rcode('other.default.svc.cluster.local')).toBe('NXDOMAIN');
    expect(await node.http('/readyz')).toBe('ok\n');
    expect(await node.fetch(HEALTH)).toContain('"localEndpoints": 1');
    expect(node.log.slice(from)).toContain('the saved state is served');
    const metrics = await node.metrics();
    expect(metrics).toMatch(/^podwire_kube_saved_state 1$/m);
    expect(metrics).toMatch(/^podwire_kube_synced 0$/m);
    expect(metrics).toMatch(/^podwire_kube_stale_seconds [1-9]/m);
  });

  it('then applies the difference alone', async () => {
    const from = node.log.length;
    await plane.startServer();
    plane.kubectl(serviceYaml('later', '10.96.7.8'), 'apply', '-f', '-');
    await expect.poll(() => node.fetch('10.96.7.8'), PATIENCE).toBe('pod');
    expect(await node.metrics()).toMatch(/^podwire_kube_saved_state 0$/m);
    await expect.poll(() => node.extendedError(NAME), PATIENCE).toBeUndefined();
    const changes = Array.from(node.log.slice(from).matchAll(/"changes":(\d+)/g), ([, count]) =>
      Number(count),
    );
    // A Service and its endpoint are four elements; all there is are more than a hundred.
    expect(Math.max(...changes)).toBeLessThan(10);
    await expect.poll(savedText, PATIENCE).toContain('10.96.7.8');
  });

  it('touches nothing when it knows nothing: the file is torn, and the server away', async () => {
    await kill();
    await plane.stopServer();
    truncateSync(file, savedText().length - 10);
    const from = await start();
    expect(node.log.slice(from)).toContain('the file is torn');
    expect(await node.http('/readyz')).toMatch(/^the objects of the cluster are not known yet: /);
    expect(await node.rcode(NAME)).toBe('SERVFAIL');
    // By the rules of the agent that was killed.
    expect(await node.fetch(ADDRESS)).toBe('pod');
    expect(savedText()).not.toMatch(WHOLE);
    await plane.startServer();
    await expect.poll(() => node.resolve(NAME), PATIENCE).toBe(ADDRESS);
    expect(await node.http('/readyz')).toBe('ok\n');
    await expect.poll(savedText, PATIENCE).toMatch(WHOLE);
  });

  it('saves at the end what came last, and leaves a file of a later podwire alone', async () => {
    plane.kubectl(serviceYaml('last', '10.96.7.9'), 'apply', '-f', '-');
    await expect.poll(() => node.fetch('10.96.7.9'), PATIENCE).toBe('pod');
    const exited = once(agent, 'exit');
    agent.kill('SIGTERM');
    await exited;
    expect(savedText()).toContain('10.96.7.9');
    await plane.stopServer();
    const later = savedText().replace('"version":1', '"version":2');
    writeFileSync(file, later);
    const from = await start();
    expect(node.log.slice(from)).toContain('expected version 1, got 2');
    expect(savedText()).toBe(later);
  });
});
