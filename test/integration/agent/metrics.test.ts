import { describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('metrics');

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20'],
    internalTrafficPolicy: 'Local',
    ports: [{ port: 80 }],
  },
};
const slice = (address: string, trigger: string) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'web-4',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'web' },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': trigger },
  },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080 }],
  endpoints: [{ addresses: [address], nodeName: 'elsewhere', conditions: { ready: true } }],
});

describe('/metrics', () => {
  it('measures programming once for each trigger, and counts changes', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const objects = [service, slice('10.244.1.1', '2020-01-01T00:00:00Z')];
    await using agent = await RunningAgent.start(fixture.name, objects);
    const metric = (name: string): string | undefined => {
      const lines = ask(fixture.name, 'http://127.0.0.1:10249/metrics').body.split('\n');
      return lines
        .find((line) => line.startsWith(`kubeproxy_${name} `))
        ?.split(' ')
        .at(-1);
    };
    const measured = () => metric('network_programming_duration_seconds_count{ip_family="IPv4"}');
    // What was triggered before the agent started says nothing of it.
    expect(measured(), agent.told()).toBeUndefined();
    expect(metric('sync_proxy_rules_service_changes_total')).toBe('1');
    expect(
      metric(
        'sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal",ip_family="IPv4"}',
      ),
    ).toBe('1');
    const trigger = new Date().toISOString();
    agent.write([service, slice('10.244.1.2', trigger)]);
    await eventually(() => expect(measured()).toBe('1'));
    agent.write([
      { ...service, spec: { ...service.spec, ports: [{ port: 81 }] } },
      slice('10.244.1.2', trigger),
    ]);
    await eventually(() => expect(metric('sync_proxy_rules_service_changes_total')).toBe('2'));
    expect(measured()).toBe('1');
    expect(metric('sync_proxy_rules_endpoint_changes_total')).toBe('2');
    await eventually(() => expect(metric('sync_proxy_rules_service_changes_pending')).toBe('0'));
    const last = Number(metric('sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"}'));
    const queued = Number(
      metric('sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"}'),
    );
    expect(last).toBeGreaterThanOrEqual(queued);
    expect(Math.abs(Date.now() / 1000 - last)).toBeLessThan(60);
  });
});
