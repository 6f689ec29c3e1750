import { describe, expect, it } from 'vitest';
import { decodeObject } from './decode.ts';

const pod = (status: object, more: object = {}) =>
  decodeObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', ...more },
    status,
  });

describe('decodeObject', () => {
  it('reads a namespace, which is in none itself', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'n', labels: { a: 'b' } },
    };
    expect(decodeObject(object)).toEqual({
      kind: 'Namespace',
      metadata: { name: 'n', namespace: '', labels: { a: 'b' }, annotations: {} },
    });
  });

  it.each([
    [{ podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }, {}, ['10.0.0.1', 'fd00::1']],
    [{ podIP: '10.0.0.1', phase: 'Running' }, {}, ['10.0.0.1']],
    [{}, {}, []],
    [{ podIP: '10.0.0.1', phase: 'Succeeded' }, {}, []],
    [{ podIP: '10.0.0.1', phase: 'Failed' }, {}, []],
    [{ podIP: '10.0.0.1' }, { deletionTimestamp: '2026-11-25T00:00:00Z' }, []],
  ])('gives a pod the addresses it has: %j %j', (status, more, podIPs) => {
    expect(pod(status, more)).toMatchObject({ kind: 'Pod', podIPs });
  });

  it('says what is wrong with a pod', () => {
    expect(() => pod({ podIP: '10.0.0' })).toThrow(
      'status.podIP: expected an IP address, got "10.0.0"',
    );
  });

  it('reads a Service of several clusters', () => {
    const spec = { type: 'ClusterSetIP', ips: ['10.1.0.1'], ports: [{ port: 80 }] };
    const object = {
      apiVersion: 'multicluster.x-k8s.io/v1alpha1',
      kind: 'ServiceImport',
      metadata: { name: 's', namespace: 'n' },
    };
    expect(decodeObject({ ...object, spec })).toMatchObject({
      kind: 'ServiceImport',
      type: 'ClusterSetIP',
      ips: ['10.1.0.1'],
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    });
    expect(() => decodeObject({ ...object, spec: { type: 'Other' } })).toThrow(
      'spec.type: expected "ClusterSetIP" or "Headless", got "Other"',
    );
  });

  it('keeps the zone of an endpoint, and the name of its pod but of nothing else', () => {
    const endpoints = [
      { addresses: ['10.0.0.1'], zone: 'z1', targetRef: { kind: 'Pod', name: 'web-0' } },
      { addresses: ['10.0.0.2'], targetRef: { kind: 'Node', name: 'node-1' } },
    ];
    const slice = decodeObject({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 's', namespace: 'n' },
      addressType: 'IPv4',
      endpoints,
    });
    expect(slice).toMatchObject({
      endpoints: [{ zone: 'z1', podName: 'web-0' }, { addresses: ['10.0.0.2'] }],
    });
    expect(JSON.stringify(slice)).not.toContain('node-1');
  });
});
