import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service } from '../../cluster/objects.ts';
import { healthCheckOf } from './health-check.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const metadata = { name: 'web', namespace: 'default', labels: {}, annotations: {} };
const service = (more: Partial<Service> = {}): Service => ({
  kind: 'Service',
  metadata,
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.20'],
  ports: [{ name: '', protocol: 'TCP', port: 80 }],
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 31_000,
  ...more,
});
const slice = (more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata,
  addressType: 'IPv4',
  ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  endpoints: [
    { addresses: ['10.244.0.1'], nodeName: 'n1', conditions: {} },
    { addresses: ['10.244.0.2'], nodeName: 'n1', conditions: { ready: true } },
    { addresses: ['10.244.0.3'], nodeName: 'n1', conditions: { ready: false, serving: true } },
    { addresses: ['10.244.1.1'], nodeName: 'n2', conditions: {} },
    { addresses: ['10.244.1.2'], conditions: {} },
  ],
  ...more,
});
const settings = { ...DEFAULT_SETTINGS, nodeName: 'n1' };

describe('healthCheckOf', () => {
  it('counts the pods of this node that are ready, each once', () => {
    const named = slice({ ports: [{ name: 'tls', protocol: 'TCP', port: 8443 }] });
    expect(healthCheckOf(service(), [slice(), named], settings)).toEqual({
      namespace: 'default',
      name: 'web',
      port: 31_000,
      localEndpoints: { 4: 2 },
    });
  });

  it('counts a family apart, and only where the Service has it', () => {
    const both = service({ clusterIPs: ['10.96.0.20', 'fd00:96::20'] });
    const six = slice({
      addressType: 'IPv6',
      endpoints: [{ addresses: ['fd00:244::1'], nodeName: 'n1', conditions: {} }],
    });
    expect(healthCheckOf(both, [slice(), six], settings)?.localEndpoints).toEqual({ 4: 2, 6: 1 });
    expect(healthCheckOf(both, [], settings)?.localEndpoints).toEqual({ 4: 0, 6: 0 });
    expect(healthCheckOf(service(), [six], settings)?.localEndpoints).toEqual({ 4: 0 });
  });

  it('counts none of a slice without ports, and none where the node has no name', () => {
    expect(healthCheckOf(service(), [slice({ ports: [] })], settings)?.localEndpoints[4]).toBe(0);
    const nameless = { ...settings, nodeName: '' };
    expect(healthCheckOf(service(), [slice()], nameless)?.localEndpoints[4]).toBe(0);
  });

  it.each<[string, Partial<Service>]>([
    ['another policy', { externalTrafficPolicy: 'Cluster' }],
    ['another type', { type: 'NodePort' }],
    [
      'another proxy',
      { metadata: { ...metadata, labels: { 'service.kubernetes.io/service-proxy-name': 'x' } } },
    ],
  ])('has none for a Service of %s', (_, more) => {
    expect(healthCheckOf(service(more), [slice()], settings)).toBeUndefined();
  });

  it('has none for a Service without the port', () => {
    const { healthCheckNodePort: _, ...without } = service();
    expect(healthCheckOf(without, [slice()], settings)).toBeUndefined();
  });
});
