import { describe, expect, it } from 'vitest';
import type { ClusterObject } from './objects.ts';
import { Sharing } from './share.ts';

const slice = (name: string): ClusterObject => ({
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default', labels: {}, annotations: {} },
  addressType: 'IPv4',
  endpoints: [
    {
      addresses: ['10.0.0.1'],
      hostname: 'a',
      nodeName: 'node-1',
      zone: 'west',
      podName: name,
      hints: { forZones: ['west'] },
      conditions: { ready: true, serving: true, terminating: false },
    },
    { addresses: ['10.0.0.2'], conditions: {} },
  ],
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
});

const others: readonly ClusterObject[] = [
  {
    kind: 'Service',
    metadata: { name: 'a', namespace: 'default', labels: { app: 'a' }, annotations: { b: 'c' } },
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.1'],
    ports: [{ name: '', protocol: 'TCP', port: 80 }],
    affinitySeconds: 10,
  },
  {
    kind: 'Pod',
    metadata: { name: 'a', namespace: 'default', labels: {}, annotations: {} },
    podIPs: ['10.0.0.1'],
  },
];

describe('Sharing', () => {
  it('changes nothing of what an object says', () => {
    const sharing = new Sharing();
    for (const object of [slice('a'), ...others]) expect(sharing.share(object)).toEqual(object);
  });

  it('has equal parts of two objects be one', () => {
    const sharing = new Sharing();
    const [one, two] = [sharing.share(slice('a')), sharing.share(slice('b'))];
    if (one.kind !== 'EndpointSlice' || two.kind !== 'EndpointSlice') throw new Error('slices');
    expect(one.ports).toBe(two.ports);
    expect(one.metadata.labels).toBe(two.metadata.annotations);
    expect(one.endpoints[0]?.conditions).toBe(two.endpoints[0]?.conditions);
    expect(one.endpoints[0]?.hints).toBe(two.endpoints[0]?.hints);
    expect(one.endpoints[0]?.podName).toBe('a');
  });
});
