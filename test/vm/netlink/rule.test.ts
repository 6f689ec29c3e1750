import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { ruleAdd, ruleList } from '../../../src/netlink/route/rule.ts';
import { run } from '../../integration/netlink/witness.ts';
import { useNetns } from '../../integration/netns-fixture.ts';

describe('a rule of VRFs', () => {
  const fixture = useNetns('vm-rule');

  it('is what the first VRF makes, and can be made by hand', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, 'ip link add name red type vrf table 12');
    expect(ruleList(connection, 4).filter(({ l3mdev }) => l3mdev)).toMatchObject([
      { priority: 1000, table: undefined },
    ]);
    expect(ruleAdd(connection, { family: 4, priority: 999, l3mdev: true })).toBe(true);
    const shown = JSON.parse(run(fixture, 'ip -4 -j rule show')) as { priority: number }[];
    expect(shown.map(({ priority }) => priority)).toContain(999);
    expect(run(fixture, 'ip -4 rule show priority 999')).toContain('l3mdev-table');
  });
});
