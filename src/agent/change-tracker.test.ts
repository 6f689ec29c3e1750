import { describe, expect, it } from 'vitest';
import type { ClusterObject, EndpointSlice, Service } from '../cluster/objects.ts';
import { Store } from '../cluster/store.ts';
import { ChangeTracker } from './change-tracker.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const service = (port: number): Service => ({
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', labels: {}, annotations: {} },
  type: 'ClusterIP',
  clusterIPs: ['10.96.0.20'],
  ports: [{ name: '', protocol: 'TCP', port }],
});
const slice = (
  name: string,
  trigger?: string,
  more: Partial<EndpointSlice> = {},
): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata: {
    name,
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'web' },
    annotations:
      trigger === undefined ? {} : { 'endpoints.kubernetes.io/last-change-trigger-time': trigger },
  },
  addressType: 'IPv4',
  ports: [],
  endpoints: [],
  ...more,
});

/** A tracker on a store, and what it counted of each state. */
function tracked() {
  const store = new Store();
  const tracker = new ChangeTracker(START_MS);
  let last = { services: 0, endpoints: 0 };
  store.subscribe((state, touched) => {
    last = tracker.update(state, touched);
  });
  const counts = (objects: readonly ClusterObject[]) => {
    last = { services: 0, endpoints: 0 };
    store.replace(objects);
    return last;
  };
  return { tracker, counts };
}

describe('ChangeTracker', () => {
  it('counts the objects that changed, those that are gone too', () => {
    const { tracker, counts } = tracked();
    expect(counts([service(80), slice('a'), slice('b')])).toEqual({ services: 1, endpoints: 2 });
    expect(counts([service(80), slice('a', 'x'), slice('b')])).toEqual({
      services: 0,
      endpoints: 1,
    });
    expect(counts([service(81), slice('a', 'x'), slice('b')])).toEqual({
      services: 1,
      endpoints: 0,
    });
    expect(counts([service(81), slice('a', 'x')])).toEqual({ services: 0, endpoints: 1 });
    expect(counts([slice('a', 'x')])).toEqual({ services: 1, endpoints: 0 });
    expect(tracker.pending).toEqual({ services: 3, endpoints: 4 });
    tracker.take();
    expect(tracker.pending).toEqual({ services: 0, endpoints: 0 });
  });

  it('gives each trigger once, of its family, unless it is older than the tracker', () => {
    const { tracker, counts } = tracked();
    const [early, late] = ['2025-12-31T23:59:59Z', '2026-01-01T00:00:01.5Z'];
    counts([
      service(80),
      slice('early', early),
      slice('late', late),
      slice('six', late, { addressType: 'IPv6' }),
      slice('names', late, { addressType: 'FQDN' }),
      slice('wrong', 'yesterday'),
    ]);
    const at = START_MS + 1500;
    expect(tracker.take()).toEqual([
      { family: 4, atMs: at },
      { family: 6, atMs: at },
    ]);
    expect(tracker.take()).toEqual([]);
  });
});
