import { describe, expect, it } from 'vitest';
import { EtcdKeys, rangeEndOf } from './keys.ts';

describe('EtcdKeys', () => {
  const keys = new EtcdKeys('/podwire/');

  it.each([
    ['Service', 'default', 'web', '/podwire/v1/services/default/web'],
    ['Node', '', 'node-1', '/podwire/v1/nodes/node-1'],
    ['ServiceCIDR', '', 'all', '/podwire/v1/servicecidrs/all'],
  ] as const)('puts %s %s/%s to %s, and knows it there', (kind, namespace, name, key) => {
    expect(keys.of(kind, namespace, name)).toBe(key);
    expect(keys.objectKeyOf(key)).toBe(`${kind}/${namespace}/${name}`);
  });

  it.each([
    '/podwire/v2/nodes/a',
    '/podwire/v1/things/a',
    '/podwire/v1/nodes/',
    '/podwire/v1/nodes/a/b',
    '/podwire/v1/services/web',
    '/podwire/v1/services//web',
    '/other/v1/nodes/a',
  ])('has no object at %s', (key) => {
    expect(keys.objectKeyOf(key)).toBeUndefined();
  });

  it('ends a range where the prefix ends', () => {
    expect(rangeEndOf('/a/').toString()).toBe('/a0');
  });
});
