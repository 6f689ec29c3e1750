import { describe, expect, it } from 'vitest';
import type { ClusterObject } from './objects.ts';
import { Store, type TouchedOthers } from './store.ts';

const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});

const service = (name: string, ip: string): ClusterObject => ({
  kind: 'Service',
  metadata: metadata(name),
  type: 'ClusterIP',
  clusterIPs: [ip],
  ports: [],
});

const slice = (name: string, of: string): ClusterObject => ({
  kind: 'EndpointSlice',
  metadata: metadata(name, { 'kubernetes.io/service-name': of }),
  addressType: 'IPv4',
  endpoints: [],
  ports: [],
});

describe('Store', () => {
  it('tells which Services a difference concerns, and nothing when there is none', () => {
    const store = new Store();
    const touched: string[][] = [];
    store.subscribe((_, names) => touched.push([...names]));
    const all = [service('a', '10.0.0.1'), slice('a-1', 'a'), service('b', '10.0.0.2')];
    expect(store.replace(all)).toBe(true);
    expect(store.replace(structuredClone(all))).toBe(false);
    store.replace([service('a', '10.0.0.1'), slice('a-1', 'b'), service('b', '10.0.0.2')]);
    store.replace([service('b', '10.0.0.2')]);
    expect(touched).toEqual([
      ['default/a', 'default/b'],
      ['default/a', 'default/b'],
      ['default/a', 'default/b'],
    ]);
    expect(store.generation).toBe(3);
    expect(store.size).toBe(1);
  });

  it('keeps nodes and ranges of cluster addresses by name, and says which of them changed', () => {
    const store = new Store();
    const changes: Partial<TouchedOthers>[] = [];
    store.subscribe((_, __, { nodes, serviceCidrs }) => changes.push({ nodes, serviceCidrs }));
    const metadata = (name: string) => ({ name, namespace: '', labels: {}, annotations: {} });
    const node = (name: string, deleting = false): ClusterObject => ({
      kind: 'Node',
      metadata: metadata(name),
      deleting,
      podCIDRs: [],
      addresses: [],
      taints: [],
    });
    const cidr: ClusterObject = {
      kind: 'ServiceCIDR',
      metadata: metadata('kubernetes'),
      cidrs: ['10.96.0.0/12'],
    };
    store.replace([node('n1'), node('n2'), cidr]);
    expect([...store.nodes.keys()]).toEqual(['n1', 'n2']);
    expect([...store.serviceCidrs.keys()]).toEqual(['kubernetes']);
    store.replace([node('n1', true)]);
    expect(store.nodes.get('n1')).toMatchObject({ deleting: true });
    expect(changes).toEqual([
      { nodes: ['n1', 'n2'], serviceCidrs: ['kubernetes'] },
      { nodes: ['n2', 'n1'], serviceCidrs: ['kubernetes'] },
    ]);
  });

  it('gives the slices of a Service by name, also before the Service is there', () => {
    const store = new Store();
    store.replace([slice('a-2', 'a'), slice('a-1', 'a'), slice('x', 'other')]);
    expect(store.slicesOf('default', 'a').map((each) => each.metadata.name)).toEqual([
      'a-1',
      'a-2',
    ]);
    expect(store.slicesOf('default', 'none')).toEqual([]);
  });

  it('takes single changes, and leaves all else', () => {
    const store = new Store();
    store.replace([service('a', '10.0.0.1'), slice('a-1', 'a'), service('b', '10.0.0.2')]);
    const touched: string[][] = [];
    store.subscribe((_, names) => touched.push([...names]));
    expect(store.update([service('a', '10.0.0.1')])).toBe(false);
    expect(store.update([service('a', '10.0.0.3')])).toBe(true);
    expect(store.update([], ['EndpointSlice/default/a-1', 'Service/default/none'])).toBe(true);
    expect(store.update([service('c', '10.0.0.4')], ['Service/default/b'])).toBe(true);
    expect(touched).toEqual([['default/a'], ['default/a'], ['default/b', 'default/c']]);
    expect([...store.services.keys()]).toEqual(['default/a', 'default/c']);
    expect(store.slicesOf('default', 'a')).toEqual([]);
  });

  it('stops telling who does not want to hear', () => {
    const store = new Store();
    let calls = 0;
    const stop = store.subscribe(() => {
      calls += 1;
    });
    store.replace([service('a', '10.0.0.1')]);
    stop();
    store.replace([]);
    expect(calls).toBe(1);
  });

  it('follows the part that was made first, and then the next', () => {
    const store = new Store();
    const touched: string[][] = [];
    store.subscribe((_, names) => touched.push([...names]));
    const [first, second] = [store.part(), store.part()];
    second.replace([service('a', '10.0.0.2'), service('b', '10.0.0.3')]);
    first.replace([service('a', '10.0.0.1')]);
    expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.1']);
    expect(store.size).toBe(2);
    expect(second.apply([service('a', '10.0.0.9')], [])).toBe(false);
    expect(first.replace([])).toBe(true);
    expect(store.services.get('default/a')?.clusterIPs).toEqual(['10.0.0.9']);
    expect(second.apply([service('c', '10.0.0.4')], ['Service/default/b'])).toBe(true);
    expect([...store.services.keys()]).toEqual(['default/a', 'default/c']);
    expect(store.size).toBe(2);
    expect(touched).toEqual([
      ['default/a', 'default/b'],
      ['default/a'],
      ['default/a'],
      ['default/b', 'default/c'],
    ]);
  });

  it('keeps the object it has when it is given one that is the same', () => {
    const store = new Store();
    const part = store.part();
    const kept = service('a', '10.0.0.1');
    part.apply([kept], []);
    const held = part.get('Service/default/a');
    part.apply([structuredClone(kept)], []);
    expect(part.get('Service/default/a')).toBe(held);
    expect(store.services.get('default/a')).toBe(held);
  });
});
