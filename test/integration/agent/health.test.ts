import { describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('health');

const NODE = 'n1';
const ADDRS = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const HEALTH_PORT = 31_999;
const ARGS = ['--hostname-override', NODE];

const node = (more: { readonly taints?: object[]; readonly deletionTimestamp?: string } = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: NODE,
    ...(more.deletionTimestamp === undefined ? {} : { deletionTimestamp: more.deletionTimestamp }),
  },
  spec: { taints: more.taints ?? [] },
  status: {
    addresses: Object.values(ADDRS).map((address) => ({ type: 'InternalIP', address })),
  },
});

const service = (externalTrafficPolicy: string, healthCheckNodePort?: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20', 'fd00:96::20'],
    externalTrafficPolicy,
    ...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
    ports: [{ port: 80, nodePort: 30_080 }],
  },
});

const slice = (family: 4 | 6, endpoints: readonly object[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `web-${family}`,
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'web' },
  },
  addressType: `IPv${family}`,
  ports: [{ name: '', port: 8080 }],
  endpoints,
});

const pod = (address: string, nodeName = NODE, conditions: object = { ready: true }) => ({
  addresses: [address],
  nodeName,
  conditions,
});

/** Gives the namespace the node's addresses. */
function addresses(): void {
  fixture.exec('ip', 'link', 'set', 'lo', 'up');
  fixture.exec('ip', 'addr', 'add', `${ADDRS[4]}/32`, 'dev', 'lo');
  fixture.exec('ip', 'addr', 'add', `${ADDRS[6]}/128`, 'dev', 'lo');
}

const get = (url: string, method?: string) => ask(fixture.name, url, method);
const health4 = (): ReturnType<typeof get> => get(`http://${ADDRS[4]}:${HEALTH_PORT}/any/path`);
const health6 = (): ReturnType<typeof get> => get(`http://[${ADDRS[6]}]:${HEALTH_PORT}/`);

describe('healthCheckNodePort', () => {
  it('answers like kube-proxy, in each family for itself', async () => {
    addresses();
    const objects = [
      node(),
      service('Local', HEALTH_PORT),
      // One pod twice, one elsewhere, and one that is not ready.
      slice(4, [
        pod('10.244.0.1'),
        pod('10.244.0.1'),
        pod('10.244.0.2'),
        pod('10.244.1.1', 'n2'),
        pod('10.244.0.3', NODE, { ready: false }),
      ]),
      slice(6, [pod('fd00:244::1:1', 'n2')]),
    ];
    await using agent = await RunningAgent.start(fixture.name, objects, ARGS);
    await eventually(() => expect(health4().status, agent.told()).toBe(200));
    const { headers, body } = health4();
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-load-balancing-endpoint-weight': '2',
    });
    expect(body).toBe(`{
\t"service": {
\t\t"namespace": "default",
\t\t"name": "web"
\t},
\t"localEndpoints": 2,
\t"serviceProxyHealthy": true
}`);
    const other = health6();
    expect(other.status).toBe(503);
    expect(other.headers['x-load-balancing-endpoint-weight']).toBe('0');
    expect(JSON.parse(other.body)).toMatchObject({ localEndpoints: 0, serviceProxyHealthy: true });
    // Node ports are served on the Node's addresses alone.
    expect(get(`http://127.0.0.1:${HEALTH_PORT}/`).body).toBe('ECONNREFUSED');
  });

  it('fails while pods are leaving, and is closed with another policy', async () => {
    addresses();
    const local = [node(), service('Local', HEALTH_PORT)];
    const leaving = pod('10.244.0.1', NODE, { ready: false, serving: true, terminating: true });
    await using agent = await RunningAgent.start(
      fixture.name,
      [...local, slice(4, [pod('10.244.0.1')])],
      ARGS,
    );
    await eventually(() => expect(health4().status, agent.told()).toBe(200));
    agent.write([...local, slice(4, [leaving])]);
    await eventually(() => expect(health4().status).toBe(503));
    expect(JSON.parse(health4().body)).toMatchObject({ localEndpoints: 0 });
    agent.write([node(), service('Local', HEALTH_PORT + 1), slice(4, [pod('10.244.0.1')])]);
    await eventually(() => expect(get(`http://${ADDRS[4]}:${HEALTH_PORT + 1}/`).status).toBe(200));
    expect(health4().body).toBe('ECONNREFUSED');
    agent.write([node(), service('Cluster'), slice(4, [pod('10.244.0.1')])]);
    await eventually(() =>
      expect(get(`http://${ADDRS[4]}:${HEALTH_PORT + 1}/`).body).toBe('ECONNREFUSED'),
    );
  });
});

describe('/healthz and /livez', () => {
  const healthz = () => get(`http://${ADDRS[4]}:10256/healthz`);
  const livez = () => get(`http://[${ADDRS[6]}]:10256/livez`);

  it('tell apart a node that is leaving and a proxy that is ill', async () => {
    addresses();
    await using agent = await RunningAgent.start(fixture.name, [node()], ARGS);
    const well = healthz();
    expect(well.status, agent.told()).toBe(200);
    expect(well.headers).toMatchObject({
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
    });
    const report = JSON.parse(well.body) as Record<string, unknown>;
    expect(Object.keys(report)).toEqual([
      'lastUpdated',
      'currentTime',
      'nodeEligible',
      'healthy',
      'status',
    ]);
    expect(report).toMatchObject({
      nodeEligible: true,
      healthy: true,
      status: { IPv4: { healthy: true }, IPv6: { healthy: true } },
    });
    expect(JSON.parse(livez().body)).not.toHaveProperty('nodeEligible');
    const taint = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' };
    const away = [
      [node({ taints: [taint] })],
      [node({ deletionTimestamp: '2026-01-01T00:00:00Z' })],
      [],
    ];
    for (const objects of away) {
      agent.write([node()]);
      await eventually(() => expect(healthz().status).toBe(200));
      agent.write(objects);
      await eventually(() => expect(healthz().status, JSON.stringify(objects)).toBe(503));
      expect(JSON.parse(healthz().body)).toMatchObject({ nodeEligible: false, healthy: true });
      expect(livez().status).toBe(200);
    }
    expect(healthz().status).toBe(503);
    expect(get(`http://${ADDRS[4]}:10256/readyz`).body).toBe('ok\n');
    expect(get(`http://${ADDRS[4]}:10256/`).status).toBe(404);
    expect(get(`http://${ADDRS[4]}:10256/healthz`, 'POST').status).toBe(405);
    const metrics = get('http://127.0.0.1:10249/metrics').body;
    expect(metrics).toMatch(/^kubeproxy_proxy_healthz_total\{code="503"\} [1-9]/m);
    expect(metrics).toMatch(/^kubeproxy_proxy_livez_total\{code="200"\} [1-9]/m);
    expect(get(`http://${ADDRS[4]}:10249/metrics`).body).toBe('ECONNREFUSED');
  });

  it('are served once their port is free, unless that is to be the end', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const ports = ['--healthz-bind-address', '127.0.0.1:7001', '--metrics-bind-address', ''];
    await using first = await RunningAgent.start(fixture.name, [], ports);
    await using hard = await RunningAgent.start(
      fixture.name,
      [],
      [...ports, '--bind-address-hard-fail'],
    );
    expect(hard.exitCode).toBe(1);
    expect(hard.stderr).toContain('EADDRINUSE');
    await using second = await RunningAgent.start(fixture.name, [], ports);
    expect(second.logged('can not serve HTTP; trying again'), second.told()).toBe(true);
    await first.stop();
    await eventually(() => expect(get('http://127.0.0.1:7001/livez').status).toBe(200));
    expect(get('http://127.0.0.1:10249/metrics').body).toBe('ECONNREFUSED');
  });
});
