import { describe, expect, it } from 'vitest';
import type { Endpoint, EndpointSlice, Service } from '../../cluster/objects.ts';
import { Store } from '../../cluster/store.ts';
import { routesOf } from './route.ts';
import { RouteTable } from './table.ts';

const metadata = (name: string, labels = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});

const service = (name: string, clusterIPs: string[], more: Partial<Service> = {}): Service => ({
  kind: 'Service',
  metadata: metadata(name),
  type: 'ClusterIP',
  clusterIPs,
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
  ...more,
});

const endpoint = (address: string, conditions: Endpoint['conditions'] = {}): Endpoint => ({
  addresses: [address],
  conditions,
});

const slice = (endpoints: Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata: metadata('s', { 'kubernetes.io/service-name': 'web' }),
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  ...more,
});

const targets = (routes: ReturnType<typeof routesOf>): string[][] =>
  routes.map((route) => route.endpoints.map(({ addr, port }) => `${addr} ${port}`));

describe('routesOf', () => {
  it('sends each family to its own endpoints', () => {
    const routes = routesOf(service('web', ['10.96.0.1', 'fd00::1']), [
      slice([endpoint('10.0.0.2'), endpoint('10.0.0.1')]),
      slice([endpoint('fd00:1::1')], { addressType: 'IPv6' }),
    ]);
    expect(routes.map((route) => `${route.addr} ${route.port}`)).toEqual([
      '10.96.0.1 80',
      'fd00::1 80',
    ]);
    expect(targets(routes)).toEqual([['10.0.0.1 8080', '10.0.0.2 8080'], ['fd00:1::1 8080']]);
  });

  it.each([
    ['ready is absent', {}, 1],
    ['ready is true', { ready: true }, 1],
    ['ready is false', { ready: false }, 0],
    ['it is terminating and still serving', { ready: false, serving: true, terminating: true }, 0],
  ])('takes an endpoint when %s: %s', (_, conditions, count) => {
    const [route] = routesOf(service('web', ['10.96.0.1']), [
      slice([endpoint('10.0.0.1', conditions)]),
    ]);
    expect(route?.endpoints).toHaveLength(count);
  });

  it('counts an endpoint in two slices once', () => {
    const both = [
      slice([endpoint('10.0.0.1')]),
      slice([endpoint('10.0.0.1'), endpoint('10.0.0.2')]),
    ];
    expect(targets(routesOf(service('web', ['10.96.0.1']), both))[0]).toHaveLength(2);
  });

  it('keeps ports apart by name and protocol, with a number of their own in each slice', () => {
    const ports = [
      { name: 'dns', protocol: 'UDP' as const, port: 53 },
      { name: 'dns-tcp', protocol: 'TCP' as const, port: 53 },
    ];
    const routes = routesOf(service('dns', ['10.96.0.10'], { ports }), [
      slice([endpoint('10.0.0.1')], { ports: [{ name: 'dns', protocol: 'UDP', port: 5353 }] }),
      slice([endpoint('10.0.0.2')], {
        ports: [
          { name: 'dns', protocol: 'UDP', port: 53 },
          { name: 'dns-tcp', protocol: 'TCP', port: 1053 },
          { name: 'dns-tcp', protocol: 'UDP', port: 1 },
          { name: 'dns', protocol: 'UDP' },
        ],
      }),
    ]);
    expect(targets(routes)).toEqual([['10.0.0.1 5353', '10.0.0.2 53'], ['10.0.0.2 1053']]);
  });

  it.each([
    ['headless', service('web', ['None'])],
    ['external', service('web', [], { type: 'ExternalName', externalName: 'example.com' })],
    ['without an address yet', service('web', [])],
  ])('gives no route to a Service that is %s', (_, each) => {
    expect(routesOf(each, [slice([endpoint('10.0.0.1')])])).toEqual([]);
  });
});

describe('RouteTable', () => {
  it('gives an address that two Services want to the first by name, and says so', () => {
    const store = new Store();
    const table = new RouteTable();
    store.subscribe((state, touched) => table.update(state, touched));
    store.replace([service('b', ['10.96.0.1']), service('a', ['10.96.0.1'])]);
    expect(table.routes()).toMatchObject({
      routes: [{ name: 'default/a:http' }],
      conflicts: [{ winner: 'default/a:http', loser: 'default/b:http' }],
    });
    store.replace([service('b', ['10.96.0.1'])]);
    expect(table.routes()).toMatchObject({ routes: [{ name: 'default/b:http' }], conflicts: [] });
    expect(table.serviceCount).toBe(1);
  });
});
