import { describe, expect, it } from 'vitest';
import { applyInParts } from './in-parts.ts';
import type { ClusterObject } from './objects.ts';
import { Store } from './store.ts';

const metadata = (name: string, labels = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});
const service = (index: number): ClusterObject => ({
  kind: 'Service',
  metadata: metadata(`s-${index}`),
  type: 'ClusterIP',
  clusterIPs: [],
  ports: [],
});
const slice = (index: number): ClusterObject => ({
  kind: 'EndpointSlice',
  metadata: metadata(`s-${index}-x`, { 'kubernetes.io/service-name': `s-${index}` }),
  addressType: 'IPv4',
  endpoints: [],
  ports: [],
});
const many = (make: (index: number) => ClusterObject, count: number): ClusterObject[] =>
  Array.from({ length: count }, (_, index) => make(index));

describe('applyInParts', () => {
  const { signal } = new AbortController();

  it('puts all in, with no Service before its endpoints, and lets others have their turn', async () => {
    const store = new Store();
    const early: string[] = [];
    store.subscribe(({ services }) => {
      for (const [key, { metadata }] of services) {
        if (store.slicesOf('default', metadata.name).length === 0) early.push(key);
      }
    });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    });
    await applyInParts(store.part(), [...many(service, 450), ...many(slice, 450)], [], signal);
    clearInterval(timer);
    expect(store.size).toBe(900);
    expect(early).toEqual([]);
    expect(store.generation).toBe(9);
    expect(turns).toBeGreaterThan(0);
  });

  it('takes out what is to go, also when it is more than one part', async () => {
    const store = new Store();
    const part = store.part();
    part.apply(many(service, 250), []);
    const gone = many(service, 249).map(({ metadata }) => `Service/default/${metadata.name}`);
    await applyInParts(part, many(slice, 30), gone, signal);
    expect([...store.services.keys()]).toEqual(['default/s-249']);
    expect(store.size).toBe(31);
  });

  it('makes one change of few, and stops when nobody wants it any more', async () => {
    const store = new Store();
    const part = store.part();
    await applyInParts(part, [service(1), slice(1)], ['Service/default/none'], signal);
    expect(store.generation).toBe(1);
    const ended = new AbortController();
    const applied = applyInParts(part, many(service, 1_000), [], ended.signal);
    ended.abort();
    await applied;
    expect(store.services.size).toBeLessThan(150);
  });
});
