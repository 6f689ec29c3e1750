import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { AgentNode, serviceYaml } from './agent-node.ts';
import { ControlPlane } from './control-plane.ts';

const RBAC = join(import.meta.dirname, '../../../deploy/rbac.yaml');
const OVERLAY_RBAC = join(import.meta.dirname, '../../../deploy/rbac-overlay.yaml');
/** This node, and one of flannel's. */
const NODES = `
apiVersion: v1
kind: Node
metadata: {name: node-1}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
status: {addresses: [{type: InternalIP, address: 198.51.100.1}]}
---
apiVersion: v1
kind: Node
metadata:
  name: node-2
  annotations:
    flannel.alpha.coreos.com/backend-type: vxlan
    flannel.alpha.coreos.com/backend-data: '{"VNI":1,"VtepMAC":"0a:00:00:00:00:02"}'
    flannel.alpha.coreos.com/kube-subnet-manager: "true"
    flannel.alpha.coreos.com/public-ip: 198.51.100.2
spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24]}
`;
const PATIENCE = { timeout: 30_000, interval: 20 };

describe('podwire agent and an API server', () => {
  needPeer('kubernetes');
  const isMissing = peerMissing('kubernetes') !== undefined;
  let node: AgentNode;
  let plane: ControlPlane;
  let kubeconfig: string;
  let agent: ChildProcess;

  beforeAll(async () => {
    if (isMissing) return;
    node = await AgentNode.create('kube');
    plane = await ControlPlane.start({ etcd: 'debian', prefix: node.prefix });
    plane.kubectl('', 'apply', '-f', RBAC);
    kubeconfig = plane.kubeconfig('podwire');
  });
  afterAll(async () => {
    if (isMissing) return;
    await plane[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  const name = (service: string) => `${service}.default.svc.cluster.local`;

  it('makes what kubectl creates reachable and resolvable, and lets go of what it deletes', async () => {
    agent = await node.startAgent('--kubeconfig', kubeconfig, '--saved-state=');
    await expect.poll(() => node.http('/readyz'), PATIENCE).toBe('ok\n');
    expect(await node.rcode(name('web'))).toBe('NXDOMAIN');
    plane.kubectl(serviceYaml('web', '10.96.7.7'), 'apply', '-f', '-');
    await expect.poll(() => node.resolve(name('web')), PATIENCE).toBe('10.96.7.7');
    await expect.poll(() => node.fetch('10.96.7.7'), PATIENCE).toBe('pod');
    expect(await node.resolve(name('kubernetes'))).toBe('10.96.0.1');
    plane.kubectl(serviceYaml('gone', '10.96.7.8'), 'apply', '-f', '-');
    await expect.poll(() => node.fetch('10.96.7.8'), PATIENCE).toBe('pod');
    plane.kubectl('', 'delete', 'service', 'gone');
    await expect.poll(() => node.rcode(name('gone')), PATIENCE).toBe('NXDOMAIN');
    await expect.poll(() => node.rules(), PATIENCE).not.toContain('10.96.7.8');
    expect(await node.metrics()).toMatch(/^podwire_kube_synced 1$/m);
    expect(await node.metrics()).toMatch(/^podwire_kube_stale_seconds 0$/m);
  });

  it('takes the kubeconfig of a KubeProxyConfiguration where no flag says more', async () => {
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    const config = join(plane.directory, 'kube-proxy.json');
    const clientConnection = { kubeconfig };
    const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1';
    const kind = 'KubeProxyConfiguration';
    writeFileSync(config, JSON.stringify({ apiVersion, kind, clientConnection }));
    agent = await node.startAgent('--config', config, '--saved-state=');
    await expect.poll(() => node.http('/readyz'), PATIENCE).toBe('ok\n');
    expect(await node.resolve(name('web'))).toBe('10.96.7.7');
    expect(await node.fetch('10.96.7.7')).toBe('pod');
  });

  it('serves on while the server is away, says so, and drops no connection, not even when it is killed', async () => {
    const traffic = node.traffic('10.96.7.7');
    await plane.stopServer();
    await expect
      .poll(() => node.metrics(), PATIENCE)
      .toMatch(/^podwire_kube_stale_seconds 0?\.?[1-9]/m);
    expect(await node.fetch('10.96.7.7')).toBe('pod');
    expect(await node.resolve(name('web'))).toBe('10.96.7.7');
    expect(await node.http('/readyz')).toBe('ok\n');
    expect(node.log).toContain('API server; the last good state stays in force');
    await expect
      .poll(() => node.metrics(), PATIENCE)
      .toContain('podwire_degraded{state="source-away"} 1');
    await plane.startServer();
    plane.kubectl(serviceYaml('later', '10.96.7.9'), 'apply', '-f', '-');
    await expect.poll(() => node.fetch('10.96.7.9'), PATIENCE).toBe('pod');
    await expect.poll(() => node.log, PATIENCE).toContain('the API server is well again');
    expect(await node.metrics()).toContain('podwire_degraded{state="source-away"} 0');
    // Its connections see neither the server that went nor the agent that is killed and started again.
    const exited = once(agent, 'exit');
    agent.kill('SIGKILL');
    await exited;
    agent = await node.startAgent('--kubeconfig', kubeconfig, '--saved-state=');
    await expect.poll(() => node.http('/readyz'), PATIENCE).toBe('ok\n');
    const { sent, failures } = await traffic();
    expect(sent).toBeGreaterThan(10);
    expect(failures).toEqual([]);
  });

  it('takes the objects of a directory before those of the server', async () => {
    const manifests = join(plane.directory, 'manifests');
    mkdirSync(manifests);
    writeFileSync(join(manifests, 'web.yaml'), serviceYaml('web', '10.96.8.8'));
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    agent = await node.startAgent(
      '--manifests',
      manifests,
      '--kubeconfig',
      kubeconfig,
      '--saved-state=',
    );
    await expect.poll(() => node.http('/readyz'), PATIENCE).toBe('ok\n');
    expect(await node.resolve(name('web'))).toBe('10.96.8.8');
    expect(await node.fetch('10.96.8.8')).toBe('pod');
    expect(await node.resolve(name('later'))).toBe('10.96.7.9');
    expect(await node.rules()).not.toContain('10.96.7.7');
  });

  it("leads to the pods of other nodes, flannel's too, and has its Node say how to reach its own", async () => {
    plane.kubectl('', 'apply', '-f', OVERLAY_RBAC);
    plane.kubectl(NODES, 'apply', '-f', '-');
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    const overlay = ['--overlay', 'vxlan', '--cluster-cidr', '10.244.0.0/16'];
    agent = await node.startAgent('--kubeconfig', kubeconfig, '--saved-state=', ...overlay);
    const say = () => JSON.parse(plane.kubectl('', 'get', 'node', 'node-1', '-o', 'json'));
    await expect
      .poll(() => say().metadata.annotations, PATIENCE)
      .toMatchObject({
        'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
        'flannel.alpha.coreos.com/backend-type': 'vxlan',
        'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:01:c6:33:64:01"}',
        'flannel.alpha.coreos.com/public-ip': '198.51.100.1',
      });
    expect(say().status.conditions).toMatchObject([
      { type: 'NetworkUnavailable', status: 'False' },
    ]);
    const neighs = () => node.exec('ip', 'neigh', 'show', 'dev', 'vxlan.1', 'nud', 'permanent');
    expect(await neighs()).toContain('10.244.2.0 lladdr 0a:00:00:00:00:02');
    plane.kubectl('', 'delete', 'node', 'node-2');
    await expect.poll(neighs, PATIENCE).not.toContain('10.244.2.0');
    expect(node.log).not.toContain('can not change the Node');
  });
});
