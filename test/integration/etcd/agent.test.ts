import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentNode, serviceYaml } from '../../conformance/kube/agent-node.ts';
import { EtcdServer } from './etcd-server.ts';
import { keyOf, PREFIX } from './follow.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };
const ADDRESS = '10.96.7.7';
const NAME = 'web.default.svc.cluster.local';

describe('podwire agent and etcd', () => {
  let node: AgentNode;
  let etcd: EtcdServer;
  let agent: ChildProcess;
  let state: string;

  beforeAll(async () => {
    node = await AgentNode.create('etcd');
    etcd = await EtcdServer.start({ prefix: node.prefix });
    state = etcd.file('state/cluster');
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  const start = async () => {
    const flags = ['--etcd-endpoints', etcd.url, '--saved-state', state, '--register-node'];
    agent = await node.startAgent(...flags);
  };
  const put = (name: string, clusterIP: string, prefix = PREFIX) => {
    for (const object of loadAll(serviceYaml(name, clusterIP))) {
      const { kind } = object as { kind: string };
      const key =
        kind === 'Service' ? keyOf(name) : `${PREFIX}/v1/endpointslices/default/${name}-1`;
      etcd.etcdctl('put', key.replace(PREFIX, prefix), JSON.stringify(object));
    }
  };
  const saved = () => {
    try {
      return readFileSync(state, 'utf8');
    } catch {
      return '';
    }
  };

  it('makes what is put reachable and resolvable, and lets go of what is deleted', async () => {
    await start();
    await expect.poll(() => node.http('/readyz'), PATIENCE).toBe('ok\n');
    expect(await node.rcode(NAME)).toBe('NXDOMAIN');
    put('web', ADDRESS);
    await expect.poll(() => node.fetch(ADDRESS), PATIENCE).toBe('pod');
    expect(await node.resolve(NAME)).toBe(ADDRESS);
    put('gone', '10.96.7.8');
    await expect.poll(() => node.fetch('10.96.7.8'), PATIENCE).toBe('pod');
    etcd.etcdctl('del', keyOf('gone'));
    await expect.poll(() => node.rules(), PATIENCE).not.toContain('10.96.7.8');
    const metrics = await node.metrics();
    expect(metrics).toMatch(/^podwire_etcd_synced 1$/m);
    expect(metrics).toMatch(/^podwire_etcd_stale_seconds 0$/m);
    const registered = etcd.etcdctl('get', '--print-value-only', `${PREFIX}/v1/nodes/node-1`);
    expect(JSON.parse(registered)).toMatchObject({
      status: { addresses: [{ type: 'InternalIP', address: '198.51.100.1' }, {}] },
    });
  });

  it('serves what was saved after a reboot without etcd, and follows it when it is back', async () => {
    await expect.poll(saved, PATIENCE).toContain(ADDRESS);
    await expect.poll(saved, PATIENCE).not.toContain('10.96.7.8');
    const exited = once(agent, 'exit');
    agent.kill('SIGKILL');
    await exited;
    await etcd.stop();
    node.forgetRules();
    expect(await node.fetch(ADDRESS)).not.toBe('pod');
    await start();
    await expect.poll(() => node.fetch(ADDRESS), PATIENCE).toBe('pod');
    expect(await node.resolve(NAME)).toBe(ADDRESS);
    expect(node.log).toContain('etcd does not answer; the saved state is served');
    expect(await node.metrics()).toMatch(/^podwire_etcd_saved_state 1$/m);
    await etcd.start();
    put('later', '10.96.7.9');
    await expect.poll(() => node.fetch('10.96.7.9'), PATIENCE).toBe('pod');
    await expect.poll(() => node.log, PATIENCE).toContain('etcd is well again');
    expect(await node.metrics()).toMatch(/^podwire_etcd_saved_state 0$/m);
  });

  it('is followed until another one has told all it has', async () => {
    const exited = once(agent, 'exit');
    agent.kill('SIGKILL');
    await exited;
    const file = etcd.file('agent.yaml');
    const configure = (endpoint: string, prefix: string) => {
      const source = `{endpoints: ["${endpoint}"], prefix: ${prefix}}`;
      const head = 'apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n';
      writeFileSync(`${file}.tmp`, `${head}sources:\n  etcd: ${source}\n`);
      renameSync(`${file}.tmp`, file);
    };
    configure(etcd.url, PREFIX);
    agent = await node.startAgent('--config', file, '--saved-state', state);
    await expect.poll(() => node.fetch(ADDRESS), PATIENCE).toBe('pod');
    // Nobody answers there, so that what is known goes on, and changes.
    configure('http://127.0.0.1:1', PREFIX);
    await expect.poll(() => node.log, PATIENCE).toContain('configuration taken over');
    put('still', '10.96.7.10');
    await expect.poll(() => node.fetch('10.96.7.10'), PATIENCE).toBe('pod');
    put('web', ADDRESS, '/other');
    configure(etcd.url, '/other');
    await expect.poll(() => node.rules(), PATIENCE).not.toContain('10.96.7.10');
    expect(await node.fetch(ADDRESS)).toBe('pod');
    expect(await node.resolve(NAME)).toBe(ADDRESS);
    await expect.poll(saved, PATIENCE).not.toContain('10.96.7.10');
    expect(await node.metrics()).toMatch(/^podwire_etcd_synced 1$/m);
  });
});
