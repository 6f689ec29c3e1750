import { describe, expect, it } from 'vitest';
import { record, replay } from '../../fuzz/netlink-replay.ts';
import { Random } from '../../fuzz/random.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('replay');

describe('wrong answers of the kernel', () => {
  it('give a result or an error of ours, from every verb', () => {
    const seed = 1;
    const random = new Random(seed);
    for (const recording of record(fixture.netns)) {
      const outcomes = Array.from({ length: 400 }, () => replay(random, recording));
      expect(outcomes).toContain('error');
    }
  });
});
