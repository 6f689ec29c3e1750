import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import type { Desired } from '../backend.ts';
import { routeKey, type ServiceRoute } from '../model/route.ts';
import { DEFAULT_NODE_RULES } from '../node.ts';
import { MemoryBackend } from './backend.ts';

const route = (port: number, endpoints: readonly string[]): ServiceRoute => {
  const pool = {
    id: `web ${port}`,
    endpoints: endpoints.map((each) => ({
      addr: parseAddr(each),
      port: 8080,
      isLocal: true,
      mayMeetItself: true,
    })),
    whenEmpty: 'reject',
    affinitySeconds: 0,
  } as const;
  const way = { pool, masquerade: false };
  return {
    name: 'default/web',
    entry: 'cluster-ip',
    family: 4,
    addr: parseAddr('10.96.0.20'),
    protocol: 'TCP',
    port,
    ways: { pod: way, host: way, outside: way },
    sources: undefined,
  };
};
const desired = (
  routes: readonly ServiceRoute[],
  changes: Desired['changes'] = new Map(),
): Desired => ({
  node: DEFAULT_NODE_RULES,
  routes: () => routes.map((each) => [routeKey(each), each] as const),
  changes,
});
const packet = (port: number) => ({
  source: parseAddr('10.244.0.1'),
  destination: parseAddr('10.96.0.20'),
  protocol: 'TCP' as const,
  port,
  origin: 'pod' as const,
});

describe('MemoryBackend', () => {
  it('compares at first and after it is told to, and follows changes meanwhile', () => {
    const backend = new MemoryBackend(() => []);
    const [web, tls] = [route(80, ['10.244.0.7']), route(443, ['10.244.0.7'])];
    expect(backend.sync(desired([web, tls]))).toMatchObject({ changes: 2, full: true });
    expect(backend.sync(desired([web, tls]))).toMatchObject({ changes: 0, full: false });
    const other = route(80, ['10.244.0.8']);
    const changes = new Map<string, ServiceRoute | undefined>([
      [routeKey(web), other],
      [routeKey(tls), undefined],
    ]);
    expect(backend.sync(desired([other], changes))).toMatchObject({ changes: 2, full: false });
    expect(backend.deliver(packet(80)).endpoint).toMatchObject({ addr: parseAddr('10.244.0.8') });
    // A port that is gone is refused as long as its address has another.
    expect(backend.deliver(packet(443)).verdict).toBe('reject');
    backend.invalidate();
    expect(backend.sync(desired([]))).toMatchObject({ changes: 1, full: true });
    expect(backend.deliver(packet(80)).verdict).toBe('pass');
  });

  it('has nothing left after cleaning up', () => {
    const backend = new MemoryBackend(() => []);
    backend.sync(desired([route(80, ['10.244.0.7'])]));
    expect(backend.cleanup()).toEqual(['1 routes']);
    expect(backend.cleanup()).toEqual([]);
    expect(backend.deliver(packet(80)).verdict).toBe('pass');
  });
});
