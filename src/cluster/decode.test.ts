import { describe, expect, it } from 'vitest';
import { decodeObject } from './decode.ts';

const decodeService = (spec: object, status?: object) =>
  decodeObject({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec, status });

describe('decodeObject', () => {
  it('takes what the API server takes: an external name with a dot at its end, and any ports', () => {
    const external = { type: 'ExternalName', externalName: 'www.example.com.' };
    expect(decodeService(external)).toMatchObject({ externalName: 'www.example.com' });
    const ports = Array.from({ length: 1_500 }, (_, index) => ({ name: `p${index}`, port: 80 }));
    expect(decodeService({ ports })).toMatchObject({ ports: { length: 1_500 } });
    const twice = [...ports, { name: 'p7', port: 81 }];
    expect(() => decodeService({ ports: twice })).toThrow(
      'spec.ports[1500].name: "p7" is taken by another port',
    );
  });

  it('reads how a Service wants its traffic sent, and leaves out what is at its default', () => {
    const spec = {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.1'],
      externalIPs: ['198.51.100.4'],
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'ClientIP',
      loadBalancerSourceRanges: [' 10.0.0.0/8'],
      healthCheckNodePort: 30_100,
      ports: [
        { name: 'http', port: 80, nodePort: 30_001 },
        { name: 'https', port: 443, nodePort: 0 },
      ],
    };
    const ingress = [{ ip: '5.6.7.8', ipMode: 'Proxy' }, { hostname: 'lb.example' }];
    expect(decodeService(spec, { loadBalancer: { ingress } })).toEqual({
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default', labels: {}, annotations: {} },
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.1'],
      externalIPs: ['198.51.100.4'],
      externalTrafficPolicy: 'Local',
      affinitySeconds: 10_800,
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      healthCheckNodePort: 30_100,
      loadBalancerIngress: [{ ip: '5.6.7.8', ipMode: 'Proxy' }],
      ports: [
        { name: 'http', protocol: 'TCP', port: 80, nodePort: 30_001 },
        { name: 'https', protocol: 'TCP', port: 443 },
      ],
    });
  });

  it.each([
    [{ sessionAffinity: 'ClientIP' }, 10_800],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      5,
    ],
    [
      { sessionAffinity: 'None', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      undefined,
    ],
    [{}, undefined],
  ])('reads %j as an affinity of %s seconds', (spec, seconds) => {
    expect((decodeService(spec) as { affinitySeconds?: number }).affinitySeconds).toBe(seconds);
  });

  it.each([
    [{ clusterIP: '010.096.000.001' }],
    [{ clusterIP: '10.96.0.1', externalIPs: ['198.051.100.004'] }],
  ])('takes the leading zeros of old objects: %j', (spec) => {
    expect(() => decodeService(spec)).not.toThrow();
  });

  it.each([
    [{ externalIPs: ['nobody'] }, 'spec.externalIPs[0]: expected an IP address, got "nobody"'],
    [
      { externalTrafficPolicy: 'Node' },
      'spec.externalTrafficPolicy: expected "Cluster" or "Local"',
    ],
    [
      { loadBalancerSourceRanges: ['10.0.0.0'] },
      'spec.loadBalancerSourceRanges[0]: expected an IP prefix',
    ],
    [
      {
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } },
      },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: expected seconds from 1 to 86400',
    ],
  ])('says what is wrong in %j', (spec, message) => {
    expect(() => decodeService(spec)).toThrow(message);
  });

  it('reads where an endpoint is and whom it is for', () => {
    const slice = decodeObject({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 's' },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          nodeName: 'n1',
          zone: 'z',
          hints: { forZones: [{ name: 'z' }], forNodes: [{ name: 'n1' }] },
        },
        { addresses: ['10.0.0.2'], hints: null },
      ],
    });
    expect(slice).toMatchObject({
      endpoints: [
        { nodeName: 'n1', zone: 'z', hints: { forZones: ['z'], forNodes: ['n1'] } },
        { addresses: ['10.0.0.2'], conditions: {} },
      ],
    });
  });

  it('reads a Node and a ServiceCIDR, which have no namespace', () => {
    const node = decodeObject({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1', labels: { zone: 'a' }, deletionTimestamp: '2026-01-01T00:00:00Z' },
      spec: { podCIDRs: ['10.180.0.0/24'], taints: [{ key: 'k', effect: 'NoSchedule' }] },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.0.2' }] },
    });
    expect(node).toEqual({
      kind: 'Node',
      metadata: { name: 'n1', namespace: '', labels: { zone: 'a' }, annotations: {} },
      deleting: true,
      podCIDRs: ['10.180.0.0/24'],
      taints: ['k'],
      addresses: [{ type: 'InternalIP', address: '192.168.0.2' }],
    });
    const cidr = decodeObject({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'kubernetes' },
      spec: { cidrs: ['10.96.0.0/12'] },
    });
    expect(cidr).toMatchObject({ metadata: { namespace: '' }, cidrs: ['10.96.0.0/12'] });
  });
});
