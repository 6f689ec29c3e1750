import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { NetlinkError } from '../../../src/netlink/error.ts';
import { addrAdd, addrDel, addrList } from '../../../src/netlink/route/addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type Link,
  linkAdd,
  linkByIndex,
  linkByName,
  linkDel,
  linkList,
  linkSet,
} from '../../../src/netlink/route/link.ts';
import {
  routeAdd,
  routeAppend,
  routeDel,
  routeList,
  routeReplace,
} from '../../../src/netlink/route/route.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('route');

function ip(...args: string[]): Record<string, unknown>[] {
  return JSON.parse(fixture.exec('ip', '-j', '-d', ...args)) as Record<string, unknown>[];
}

function link(connection: RouteConnection, name: string): Link {
  const found = linkByName(connection, name);
  if (found === undefined) throw new Error(`no link ${name}`);
  return found;
}

/** A bridge with a veth in it, all up. */
function bridgeWithPort(connection: RouteConnection): { bridge: Link; port: Link; peer: Link } {
  linkAdd(connection, { name: 'br0', kind: 'bridge' });
  linkAdd(connection, { name: 'port', kind: 'veth', mtu: 1400, peer: { name: 'peer' } });
  const bridge = link(connection, 'br0');
  linkSet(connection, bridge.index, { up: true });
  for (const name of ['port', 'peer']) {
    linkSet(connection, link(connection, name).index, { up: true });
  }
  linkSet(connection, link(connection, 'port').index, { master: bridge.index });
  return { bridge, port: link(connection, 'port'), peer: link(connection, 'peer') };
}

describe('links', () => {
  it('are made as ip(8) would make them', () => {
    using connection = RouteConnection.open(fixture.netns);
    const { bridge, port } = bridgeWithPort(connection);
    linkSet(connection, port.index, { bridgePort: { hairpin: true } });
    const [seen] = ip('link', 'show', 'port');
    expect(seen).toMatchObject({
      ifname: 'port',
      mtu: 1400,
      master: 'br0',
      linkinfo: {
        info_kind: 'veth',
        info_slave_kind: 'bridge',
        info_slave_data: { hairpin: true },
      },
    });
    expect(link(connection, 'port')).toMatchObject({
      kind: 'veth',
      mtu: 1400,
      master: bridge.index,
      bridgePort: { hairpin: true },
    });
  });

  it('are listed as ip(8) lists them', () => {
    using connection = RouteConnection.open(fixture.netns);
    bridgeWithPort(connection);
    const ours = linkList(connection).map((each) => [each.name, each.index, `${each.mac ?? ''}`]);
    const theirs = ip('link').map((each) => [each.ifname, each.ifindex, each.address]);
    expect(ours).toEqual(theirs);
  });

  it('refuse a name that is taken, in the words of the kernel', () => {
    using connection = RouteConnection.open(fixture.netns);
    linkAdd(connection, { name: 'br0', kind: 'bridge' });
    expect(() => linkAdd(connection, { name: 'br0', kind: 'bridge' })).toThrow(NetlinkError);
    expect(() => linkAdd(connection, { name: 'br0', kind: 'bridge' })).toThrow(/EEXIST/);
  });

  it('are gone after deletion, and deleting again says so', () => {
    using connection = RouteConnection.open(fixture.netns);
    const { port } = bridgeWithPort(connection);
    expect(linkDel(connection, port.index)).toBe(true);
    expect(linkDel(connection, port.index)).toBe(false);
    expect(linkByName(connection, 'peer')).toBeUndefined();
    expect(linkByIndex(connection, port.index)).toBeUndefined();
  });
});

describe('addresses and routes', () => {
  it('are what ip(8) sees', () => {
    using connection = RouteConnection.open(fixture.netns);
    const { bridge } = bridgeWithPort(connection);
    expect(addrAdd(connection, bridge.index, parsePrefix('10.9.0.1/24'))).toBe(true);
    expect(addrAdd(connection, bridge.index, parsePrefix('10.9.0.1/24'))).toBe(false);
    addrAdd(connection, bridge.index, parsePrefix('fd00:9::1/64'), { noDad: true });
    const [seen] = ip('addr', 'show', 'br0');
    const infos = seen?.addr_info as { local: string; prefixlen: number; broadcast?: string }[];
    expect(infos).toContainEqual(
      expect.objectContaining({ local: '10.9.0.1', prefixlen: 24, broadcast: '10.9.0.255' }),
    );
    const ours = addrList(connection, bridge.index).map((addr) => `${addr.prefix}`);
    expect(ours).toEqual(infos.map((info) => `${info.local}/${info.prefixlen}`));
    expect(addrDel(connection, bridge.index, parsePrefix('10.9.0.1/24'))).toBe(true);
    expect(addrDel(connection, bridge.index, parsePrefix('10.9.0.1/24'))).toBe(false);
  });

  it('lead where they say, and go', () => {
    using connection = RouteConnection.open(fixture.netns);
    const { bridge } = bridgeWithPort(connection);
    addrAdd(connection, bridge.index, parsePrefix('10.9.0.1/24'));
    const linkIndex = bridge.index;
    const route = { dst: parsePrefix('0.0.0.0/0'), gateway: parseAddr('10.9.0.254'), linkIndex };
    routeAdd(connection, route);
    expect(() => routeAdd(connection, route)).toThrow(
      /add route 0.0.0.0\/0 via 10.9.0.254: EEXIST/,
    );
    routeReplace(connection, { ...route, gateway: parseAddr('10.9.0.253'), mtu: 1300 });
    const far = { dst: parsePrefix('192.0.2.0/24'), linkIndex, priority: 50 };
    routeAppend(connection, far);
    expect(ip('route')).toEqual([
      expect.objectContaining({ dst: 'default', gateway: '10.9.0.253', dev: 'br0' }),
      expect.objectContaining({ dst: '10.9.0.0/24', scope: 'link', prefsrc: '10.9.0.1' }),
      expect.objectContaining({ dst: '192.0.2.0/24', scope: 'link', metric: 50 }),
    ]);
    const main = routeList(connection, 4).filter((each) => each.table === 254);
    expect(main.map((each) => `${each.dst} ${each.gateway ?? '-'}`)).toEqual([
      '0.0.0.0/0 10.9.0.253',
      '10.9.0.0/24 -',
      '192.0.2.0/24 -',
    ]);
    expect(routeDel(connection, far)).toBe(true);
    expect(routeDel(connection, far)).toBe(false);
  });
});
