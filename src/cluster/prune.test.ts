import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service } from './objects.ts';
import { prune } from './prune.ts';

const metadata = {
  name: 'web',
  namespace: 'default',
  labels: { 'kubernetes.io/service-name': 'web', app: 'web' },
  annotations: {
    'kubectl.kubernetes.io/last-applied-configuration': '{"all":"of it"}',
    'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
  },
};

describe('prune', () => {
  it('keeps of a slice what leads to its Service and tells its age', () => {
    const slice: EndpointSlice = {
      kind: 'EndpointSlice',
      metadata,
      addressType: 'IPv4',
      endpoints: [],
      ports: [],
    };
    expect(prune(slice)).toEqual({
      ...slice,
      metadata: {
        ...metadata,
        labels: { 'kubernetes.io/service-name': 'web' },
        annotations: {
          'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
        },
      },
    });
  });

  it('keeps all labels of a Service, for DNS may select by them', () => {
    const service: Service = {
      kind: 'Service',
      metadata,
      type: 'ClusterIP',
      clusterIPs: [],
      ports: [],
    };
    expect(prune(service).metadata.labels).toEqual(metadata.labels);
  });
});
