import { describe, expect, it } from 'vitest';
import { parseAddr } from '../parse-addr.ts';
import { parsePrefix } from '../prefix.ts';
import { SubnetPool } from './subnet-pool.ts';

describe('SubnetPool', () => {
  const options = {
    prefixes: [parsePrefix('10.244.0.0/22'), parsePrefix('10.245.0.0/23')],
    bits: 24,
    exclude: [parseAddr('10.244.0.7')],
  };

  it('gives whole subnets across its prefixes, and takes them back', () => {
    const pool = SubnetPool.of(options);
    expect(pool.size).toBe(5n);
    const given = Array.from({ length: 5 }, () => `${pool.allocateNext()}`);
    expect(given).toEqual([
      '10.244.1.0/24',
      '10.244.2.0/24',
      '10.244.3.0/24',
      '10.245.0.0/24',
      '10.245.1.0/24',
    ]);
    expect(pool.allocateNext()).toBeUndefined();
    expect(pool.release(parsePrefix('10.244.2.0/24'))).toBe(true);
    expect(pool.release(parsePrefix('10.245.0.0/23'))).toBe(false);
    expect(pool.release(parsePrefix('10.245.0.0/24'))).toBe(true);
    expect(pool.heldCount).toBe(3);
    expect(`${pool.allocateLowest()}`).toBe('10.244.2.0/24');
    expect(`${pool.allocateNext()}`).toBe('10.245.0.0/24');
  });

  it('gives this one, when it is free and of the pool', () => {
    const pool = SubnetPool.of(options);
    expect(pool.allocate(parsePrefix('10.244.3.0/24'))).toBe(true);
    expect(pool.allocate(parsePrefix('10.244.3.0/24'))).toBe(false);
    expect(pool.isFree(parsePrefix('10.244.3.0/24'))).toBe(false);
    expect(pool.isFree(parsePrefix('10.244.2.0/24'))).toBe(true);
    for (const text of ['10.244.0.0/24', '10.244.1.1/24', '10.244.2.0/25', '10.9.0.0/24']) {
      expect(pool.allocate(parsePrefix(text))).toBe(false);
    }
  });

  it('goes on where it was after a restart', () => {
    const pool = SubnetPool.of(options);
    pool.allocateNext();
    pool.allocate(parsePrefix('10.245.0.0/24'));
    const snapshot = pool.snapshot();
    expect(snapshot).toEqual({
      held: ['10.244.1.0-10.244.1.255', '10.245.0.0-10.245.0.255'],
      last: '10.245.0.0',
    });
    const restored = SubnetPool.restore(options, snapshot);
    expect(`${restored.allocateNext()}`).toBe('10.245.1.0/24');
    expect(restored.heldCount).toBe(3);
    expect(() => SubnetPool.restore(options, { held: ['10.244.1.0-10.244.1.9'] })).toThrow(
      'not of the pool',
    );
  });

  it('gives a /64 for each out of a /32', () => {
    const pool = SubnetPool.of({ prefixes: [parsePrefix('fd00:10::/32')], bits: 64 });
    expect(pool.size).toBe(2n ** 32n);
    expect(`${pool.allocateNext()} ${pool.allocateNext()}`).toBe('fd00:10::/64 fd00:10:0:1::/64');
  });

  it('refuses a prefix that is no whole number of subnets', () => {
    const prefixes = [parsePrefix('10.0.0.0/25')];
    expect(() => SubnetPool.of({ prefixes, bits: 24 })).toThrow('begin and end with a /24');
  });
});
