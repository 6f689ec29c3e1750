import { describe, expect, it } from 'vitest';
import { Store } from '../../../src/cluster/store.ts';
import { explainName } from '../../../src/dns/explain/explain.ts';
import {
  KUBERNETES_ZONE_DEFAULTS,
  type KubernetesZoneOptions,
} from '../../../src/dns/zone/options.ts';
import { objectsOf } from './cluster-fixture.ts';

const store = new Store();
store.replace(objectsOf('names'));
const explain = (name: string, type = 'A', options: Partial<KubernetesZoneOptions> = {}) =>
  explainName(store, { ...KUBERNETES_ZONE_DEFAULTS, ...options }, name, type, {
    upstream: 'forward to 192.0.2.1',
  });

describe('explainName', () => {
  it.each([
    ['svc1.testns.svc.cluster.local', 'A', {}, 'NOERROR', 'its cluster IPs; 1 ready', 2],
    ['hdls1.testns.svc.cluster.local', 'A', {}, 'NOERROR', 'the addresses of its 6 ready', 3],
    [
      'svc-unready.testns.svc.cluster.local',
      'A',
      {},
      'NXDOMAIN',
      'without any it does not exist',
      2,
    ],
    [
      'svcempty.testns.svc.cluster.local',
      'A',
      { ignoreEmptyService: true },
      'NXDOMAIN',
      'ignore empty_service',
      2,
    ],
    [
      'svc1.unexposedns.svc.cluster.local',
      'A',
      { namespaces: ['testns'] },
      'NXDOMAIN',
      'not among those shown',
      0,
    ],
    ['none.testns.svc.cluster.local', 'A', {}, 'NXDOMAIN', 'there is no Service testns/none', 0],
    ['10-240-0-1.podns.pod.cluster.local', 'A', {}, 'NXDOMAIN', 'pods disabled', 0],
    [
      '10-240-0-1.podns.pod.cluster.local',
      'A',
      { pods: 'verified' },
      'NOERROR',
      'pods verified',
      1,
    ],
    ['100.0.96.10.in-addr.arpa', 'PTR', {}, 'NOERROR', 'is a cluster IP', 1],
    ['2.0.0.172.in-addr.arpa', 'PTR', {}, 'NOERROR', 'the address of endpoints', 1],
    ['9.9.9.9.in-addr.arpa', 'PTR', {}, 'NXDOMAIN', 'nobody has the address', 0],
  ] as const)('%s %s %o: %s', (name, type, options, rcode, rule, objects) => {
    const explained = explain(name, type, options);
    expect(explained.rcode).toBe(rcode);
    expect(explained.rule).toContain(rule);
    expect(explained.objects).toHaveLength(objects);
    expect(explained.upstream).toBeUndefined();
    expect(explained.answers.length > 0).toBe(rcode === 'NOERROR');
  });

  it('says who is asked where the zones leave it to others', () => {
    expect(explain('example.com').upstream).toBe('forward to 192.0.2.1');
    const external = explain('external.testns.svc.cluster.local');
    expect(external.answers).toEqual(['CNAME ext.interwebs.test']);
    expect(external.upstream).toContain('for the addresses of where it leads');
    const through = explain('no.where.svc.cluster.local', 'A', { fallthrough: ['.'] });
    expect(through.upstream).toContain('falls through');
  });

  it('refuses what is no name and no type', () => {
    expect(() => explain('a..b')).toThrow('domain name "a..b": empty label');
    expect(() => explain('a', 'NONSENSE')).toThrow('expected one of A, NS');
  });
});
