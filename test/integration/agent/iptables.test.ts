import { join } from 'node:path';
import { expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

/* The agent in mode iptables, as it is started, from its rules to their end. */

const fixture = useNetns('agent-iptables');
const OBJECTS = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: ['10.244.0.10'] }],
  },
];
const URL = 'http://127.0.0.1:10249';

it('serves by iptables, repairs, counts, and cleans up', async () => {
  fixture.exec('ip', 'link', 'set', 'lo', 'up');
  fixture.exec('iptables', '-t', 'nat', '-N', 'FOREIGN');
  const rules = (): string => fixture.exec('iptables-save', '-t', 'nat');
  const dnat = '-j DNAT --to-destination 10.244.0.10:8080';
  {
    await using agent = await RunningAgent.start(fixture.name, OBJECTS, [
      '--proxy-mode',
      'iptables',
    ]);
    expect(agent.exitCode, agent.told()).toBeNull();
    await eventually(() => expect(rules(), agent.told()).toContain(dnat));
    expect(ask(fixture.name, `${URL}/proxyMode`).body).toBe('iptables');
    const { body } = ask(fixture.name, `${URL}/metrics`);
    expect(body).toMatch(
      /kubeproxy_sync_proxy_rules_iptables_total\{table="nat",ip_family="IPv4"\} \d\d/,
    );
    expect(body).not.toContain('rules_nftables');
    // Loopback serves node ports, and nobody else reaches what listens there.
    expect(fixture.exec('sysctl', '-n', 'net.ipv4.conf.all.route_localnet').trim()).toBe('1');
    expect(fixture.exec('iptables-save', '-t', 'filter')).toContain('block incoming localnet');
    fixture.exec('iptables', '-t', 'nat', '-F');
    await eventually(() => expect(rules(), agent.told()).toContain(dnat));
    await agent.stop();
  }
  // They stay until they are taken away.
  expect(rules()).toContain(dnat);
  const entry = join(import.meta.dirname, '../../../src/entry.ts');
  const cleanup = () => fixture.exec(process.execPath, '--no-warnings', entry, 'cleanup');
  expect(cleanup()).toContain('of table nat, IPv4 (iptables)');
  expect(rules()).not.toContain('KUBE-');
  expect(rules()).toContain(':FOREIGN');
  expect(cleanup()).toBe('nothing to remove\n');
});
