import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { netnsIdGet, netnsIdList, netnsIdSet } from '../../../src/netlink/route/netns-id.ts';
import { useNetns } from '../netns-fixture.ts';
import { run } from './witness.ts';

const fixture = useNetns('nsid');
const far = useNetns('nsid-far');

const shown = (): unknown => JSON.parse(run(fixture, 'ip -j netns list-id'));

describe('numbers of namespaces', () => {
  it('are what ip netns list-id shows', () => {
    using connection = RouteConnection.open(fixture.netns);
    expect(netnsIdGet(connection, far.netns)).toBeUndefined();
    expect(netnsIdList(connection)).toEqual([]);
    expect(netnsIdSet(connection, far.netns, 17)).toBe(true);
    expect(shown()).toEqual([{ nsid: 17, name: far.name }]);
    expect(netnsIdGet(connection, far.netns)).toBe(17);
    expect(netnsIdList(connection)).toEqual([17]);
  });

  it('stay, and are the next one free where none is asked for', () => {
    using connection = RouteConnection.open(fixture.netns);
    expect(netnsIdSet(connection, far.netns)).toBe(true);
    expect(netnsIdSet(connection, far.netns, 3)).toBe(false);
    expect(netnsIdGet(connection, far.netns)).toBe(0);
    expect(shown()).toEqual([{ nsid: 0, name: far.name }]);
  });

  it('are read where ip netns set gave them, by descriptor and by process', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, `ip netns set ${far.name} 23`);
    expect(netnsIdGet(connection, far.netns)).toBe(23);
    expect(netnsIdSet(connection, { pid: process.pid }, 24)).toBe(true);
    expect(netnsIdGet(connection, { pid: process.pid })).toBe(24);
    expect(netnsIdList(connection).toSorted((a, b) => a - b)).toEqual([23, 24]);
  });
});
