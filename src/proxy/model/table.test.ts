import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterObject, Endpoint, Service } from '../../cluster/objects.ts';
import { Store } from '../../cluster/store.ts';
import type { ServiceRoute } from './route.ts';
import { DEFAULT_SETTINGS, type ModelSettings } from './settings.ts';
import { RouteTable } from './table.ts';

const metadata = (name: string, labels = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});

const service = (name: string, more: Partial<Service> = {}): Service => ({
  kind: 'Service',
  metadata: metadata(name),
  type: 'ClusterIP',
  clusterIPs: ['10.96.0.1'],
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
  ...more,
});

const follow = (store: Store, settings: ModelSettings = DEFAULT_SETTINGS): RouteTable => {
  const table = new RouteTable(settings);
  store.subscribe((state, touched) => table.update(state, touched));
  return table;
};

describe('RouteTable', () => {
  it('gives an address that two Services want to the first by name, and says so', () => {
    const store = new Store();
    const table = follow(store);
    store.replace([service('b'), service('a')]);
    expect([...table.routes()]).toMatchObject([['10.96.0.1 TCP 80', { name: 'default/a:http' }]]);
    expect(table.conflicts()).toEqual([{ winner: 'default/a:http', loser: 'default/b:http' }]);
    table.takeChanges();
    store.replace([service('b')]);
    expect(table.conflicts()).toEqual([]);
    expect([...table.takeChanges().routes]).toMatchObject([
      ['10.96.0.1 TCP 80', { name: 'default/b:http' }],
    ]);
    expect([table.serviceCount, table.routeCount]).toEqual([1, 1]);
  });

  it('tells a change once, and only what it touches', () => {
    const store = new Store();
    const table = follow(store);
    const other = service('other', { clusterIPs: ['10.96.0.2'] });
    store.replace([service('web'), other]);
    expect([...table.takeChanges().routes.keys()]).toEqual([
      '10.96.0.1 TCP 80',
      '10.96.0.2 TCP 80',
    ]);
    expect(table.takeChanges().routes.size).toBe(0);
    store.replace([service('web', { affinitySeconds: 10 }), other]);
    expect([...table.takeChanges().routes.keys()]).toEqual(['10.96.0.1 TCP 80']);
    store.replace([
      service('web', { affinitySeconds: 10, metadata: metadata('web', { a: 'b' }) }),
      other,
    ]);
    expect(table.takeChanges().routes.size).toBe(0);
    store.replace([other]);
    expect([...table.takeChanges().routes]).toEqual([['10.96.0.1 TCP 80', undefined]]);
  });
});

/* Few names, addresses and ports, so that they meet. */
const name = fc.constantFrom('a', 'b', 'c');
const policy = fc.constantFrom('Cluster' as const, 'Local' as const);
const anyService: fc.Arbitrary<Service> = fc
  .record({
    name,
    vip: fc.subarray(['10.96.0.1', '10.96.0.2', 'fd00::1']),
    external: fc.subarray(['198.51.100.1', '10.96.0.1', 'fd00::9']),
    balancer: fc.subarray(['5.6.7.8', '198.51.100.1']),
    port: fc.constantFrom(80, 81),
    nodePort: fc.constantFrom(undefined, 30_000, 30_001),
    outer: policy,
    inner: policy,
    affinitySeconds: fc.constantFrom(undefined, 10),
    ranges: fc.subarray(['10.0.0.0/8', 'fd00::/8']),
    type: fc.constantFrom('LoadBalancer' as const, 'ExternalName' as const),
  })
  .map((each) => ({
    ...service(each.name, { type: each.type, clusterIPs: each.vip }),
    ports: [
      {
        name: '',
        protocol: 'TCP',
        port: each.port,
        ...(each.nodePort === undefined ? {} : { nodePort: each.nodePort }),
      },
    ],
    externalIPs: each.external,
    loadBalancerIngress: each.balancer.map((ip) => ({ ip })),
    externalTrafficPolicy: each.outer,
    internalTrafficPolicy: each.inner,
    loadBalancerSourceRanges: each.ranges,
    ...(each.affinitySeconds === undefined ? {} : { affinitySeconds: each.affinitySeconds }),
  }));

const anyEndpoint: fc.Arbitrary<Endpoint> = fc.record({
  addresses: fc.constantFrom(['10.0.0.1'], ['10.0.0.2'], ['10.0.0.3'], ['fd00:1::1']),
  nodeName: fc.constantFrom('n1', 'n2'),
  conditions: fc.record(
    { ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() },
    { requiredKeys: [] },
  ),
  hints: fc.constantFrom({}, { forZones: ['z1'] }, { forZones: ['z2'] }, { forNodes: ['n1'] }),
});

const anySlice: fc.Arbitrary<ClusterObject> = fc
  .record({
    name: fc.constantFrom('s1', 's2', 's3'),
    of: name,
    endpoints: fc.array(anyEndpoint, { maxLength: 4 }),
    addressType: fc.constantFrom('IPv4' as const, 'IPv6' as const),
  })
  .map(({ of, endpoints, addressType, ...each }) => ({
    kind: 'EndpointSlice' as const,
    metadata: metadata(each.name, { 'kubernetes.io/service-name': of }),
    addressType,
    endpoints,
    ports: [{ name: '', protocol: 'TCP' as const, port: 8080 }],
  }));

const anySettings: fc.Arbitrary<ModelSettings> = fc
  .record({ zone: fc.constantFrom('', 'z1'), masqueradeAll: fc.boolean() })
  .map((each) => ({ ...DEFAULT_SETTINGS, nodeName: 'n1', ...each }));

describe('RouteTable, whatever happens', () => {
  it('comes step by step to what all at once comes to, by the changes it tells', () => {
    const state = fc.array(fc.oneof(anyService, anySlice), { maxLength: 8 });
    const step = fc.record({ state, settings: fc.option(anySettings, { freq: 4 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const store = new Store();
        const table = follow(store);
        const told = new Map<string, ServiceRoute>();
        let settings = DEFAULT_SETTINGS;
        for (const { state: objects, settings: other } of steps) {
          if (other !== null) {
            settings = other;
            table.reset(settings, store);
          }
          store.replace(objects);
          for (const [key, route] of table.takeChanges().routes) {
            if (route === undefined) told.delete(key);
            else told.set(key, route);
          }
          const anew = new RouteTable(settings);
          anew.update(store, [...store.services.keys()]);
          expect(new Map(table.routes())).toEqual(new Map(anew.routes()));
          expect(told).toEqual(new Map(anew.routes()));
          expect(table.conflicts().length).toBe(anew.conflicts().length);
        }
      }),
      { numRuns: 300 },
    );
  });
});
