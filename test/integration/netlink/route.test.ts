import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { type Prefix, parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkList } from '../../../src/netlink/route/link.ts';
import {
  type KernelRoute,
  type Route,
  type RouteFilter,
  routeAdd,
  routeAppend,
  routeDel,
  routeGet,
  routeList,
  routePrepend,
  routeReplace,
} from '../../../src/netlink/route/route.ts';
import { useNetns } from '../netns-fixture.ts';
import { VETH } from './link-witness.ts';
import { type Printed, present, run, type WitnessCase, without, witness } from './witness.ts';

/** v0 (3) and v1 (2) are up and have addresses that never change by themselves. */
const GIVEN = [
  VETH,
  'ip link set v0 addrgenmode none',
  'ip link set v1 addrgenmode none',
  'ip link set v0 up',
  'ip link set v1 up',
  'ip addr add 10.9.0.1/24 dev v0',
  'ip addr add 10.8.0.1/24 dev v1',
  'ip addr add fd00:9::1/64 nodad dev v0',
  'ip addr add fd00:8::1/64 nodad dev v1',
];
const V0 = 3;
const V1 = 2;

const PROTOCOLS: Readonly<Record<number, string>> = { 2: 'kernel', 3: 'boot', 4: 'static' };
const TABLES: Readonly<Record<number, string>> = { 254: 'main', 255: 'local' };
const SCOPES: Readonly<Record<number, string>> = { 0: 'global', 253: 'link', 254: 'host' };

function routeJson(route: KernelRoute, names: ReadonlyMap<number, string>): Printed {
  const { family } = route.dst.addr;
  const whole = ({ addr, bits }: Prefix): string =>
    bits === addr.bits ? `${addr}` : `${addr}/${bits}`;
  const flags = (of: Pick<Route, 'onlink' | 'dead' | 'linkDown'>): string[] => [
    ...(of.dead === true ? ['dead'] : []),
    ...(of.onlink === true ? ['onlink'] : []),
    ...(of.linkDown === true ? ['linkdown'] : []),
  ];
  const gateway = (of: Pick<Route, 'gateway'>): Printed => {
    if (of.gateway === undefined) return {};
    if (of.gateway.family === family) return { gateway: `${of.gateway}` };
    return { via: { family: 'inet6', host: `${of.gateway}` } };
  };
  const { mtu, advmss, window, initcwnd, initrwnd, hoplimit, quickack, congctl } = route;
  const metrics = present({
    mtu,
    advmss,
    window,
    initcwnd,
    initrwnd,
    hoplimit,
    quickack,
    congestion: congctl,
  });
  return present({
    type: route.type,
    dst: route.dst.bits === 0 ? 'default' : whole(route.dst),
    from: route.from === undefined ? undefined : whole(route.from),
    tos: route.tos ? `0x${route.tos.toString(16)}` : undefined,
    ...gateway(route),
    dev: route.linkIndex === undefined ? undefined : names.get(route.linkIndex),
    table: TABLES[route.table] ?? `${route.table}`,
    protocol: PROTOCOLS[route.protocol] ?? `${route.protocol}`,
    scope: SCOPES[route.scope] ?? `${route.scope}`,
    prefsrc: route.source === undefined ? undefined : `${route.source}`,
    metric: route.priority,
    flags: flags(route),
    metrics: Object.keys(metrics).length === 0 ? undefined : [metrics],
    nexthops: route.nexthops?.map((nexthop) => ({
      ...gateway(nexthop),
      dev: names.get(nexthop.linkIndex ?? 0),
      weight: nexthop.weight,
      flags: flags(nexthop),
    })),
    pref: route.preference,
  });
}

/** Each case is about the routes of one family that nobody but the two sides made. */
interface RouteCase extends WitnessCase {
  readonly family: 4 | 6;
}

function made(
  title: string,
  { dst, ...route }: Omit<Route, 'dst'> & { dst: string },
  theirs: string,
  { verb = routeAdd, name = 'add', given = [] as string[] } = {},
): RouteCase {
  const { family } = parsePrefix(dst).addr;
  return {
    title,
    family,
    given: [...GIVEN, ...given],
    ours: (connection) => verb(connection, { ...route, dst: parsePrefix(dst) }),
    theirs: [`ip ${family === 6 ? '-6 ' : ''}route ${name} ${theirs}`],
    shown: `ip -${family} -j -d route show table all`,
  };
}

const gw4 = parseAddr('10.9.0.254');
const gw6 = parseAddr('fd00:9::fe');

describe('a route as of ip route', () => {
  witness<RouteCase>(
    'route',
    [
      made(
        'default',
        { dst: '0.0.0.0/0', gateway: gw4, linkIndex: V0 },
        'default via 10.9.0.254 dev v0',
      ),
      made(
        'default of IPv6',
        { dst: '::/0', gateway: gw6, linkIndex: V0 },
        'default via fd00:9::fe dev v0',
      ),
      made('to the link', { dst: '192.0.2.0/24', linkIndex: V0 }, '192.0.2.0/24 dev v0'),
      made('to the link, IPv6', { dst: 'fd00:2::/64', linkIndex: V0 }, 'fd00:2::/64 dev v0'),
      made('to one host', { dst: '192.0.2.1/32', linkIndex: V0 }, '192.0.2.1 dev v0'),
      made(
        'with all settings',
        {
          dst: '192.0.2.0/24',
          gateway: gw4,
          linkIndex: V0,
          priority: 77,
          protocol: 199,
          table: 1234,
          tos: 0x10,
          source: parseAddr('10.9.0.1'),
          mtu: 1400,
          advmss: 1300,
          window: 5000,
          initcwnd: 12,
          initrwnd: 13,
          hoplimit: 9,
          quickack: 1,
        },
        '192.0.2.0/24 tos 0x10 via 10.9.0.254 dev v0 metric 77 proto 199 table 1234 src 10.9.0.1 mtu 1400 advmss 1300 window 5000 initcwnd 12 initrwnd 13 hoplimit 9 quickack 1',
      ),
      made(
        'with all settings of IPv6',
        {
          dst: 'fd00:2::/64',
          gateway: gw6,
          linkIndex: V0,
          priority: 77,
          protocol: 199,
          table: 1234,
          source: parseAddr('fd00:9::1'),
          preference: 'high',
          mtu: 1400,
          initcwnd: 12,
        },
        'fd00:2::/64 via fd00:9::fe dev v0 metric 77 proto 199 table 1234 src fd00:9::1 pref high mtu 1400 initcwnd 12',
      ),
      made(
        'onlink',
        { dst: '192.0.2.0/24', gateway: parseAddr('203.0.113.1'), linkIndex: V0, onlink: true },
        '192.0.2.0/24 via 203.0.113.1 dev v0 onlink',
      ),
      made(
        'onlink, IPv6',
        { dst: 'fd00:2::/64', gateway: parseAddr('fd00:77::1'), linkIndex: V0, onlink: true },
        'fd00:2::/64 via fd00:77::1 dev v0 onlink',
      ),
      made(
        'of IPv4 through IPv6',
        { dst: '192.0.2.0/24', gateway: gw6, linkIndex: V0 },
        '192.0.2.0/24 via inet6 fd00:9::fe dev v0',
      ),
      made(
        'with several ways',
        {
          dst: '192.0.2.0/24',
          nexthops: [
            { gateway: gw4, linkIndex: V0, weight: 10 },
            { gateway: parseAddr('10.8.0.254'), linkIndex: V1 },
            { gateway: gw6, linkIndex: V0, weight: 256 },
            { gateway: parseAddr('203.0.113.1'), linkIndex: V1, onlink: true },
          ],
        },
        '192.0.2.0/24 nexthop via 10.9.0.254 dev v0 weight 10 nexthop via 10.8.0.254 dev v1 nexthop via inet6 fd00:9::fe dev v0 weight 256 nexthop via 203.0.113.1 dev v1 onlink',
      ),
      made(
        'with several ways of IPv6',
        {
          dst: 'fd00:2::/64',
          nexthops: [
            { gateway: gw6, linkIndex: V0, weight: 3 },
            { gateway: parseAddr('fd00:8::fe'), linkIndex: V1 },
          ],
        },
        'fd00:2::/64 nexthop via fd00:9::fe dev v0 weight 3 nexthop via fd00:8::fe dev v1',
      ),
      ...(['blackhole', 'unreachable', 'prohibit', 'throw'] as const).flatMap((type) => [
        made(`of type ${type}`, { dst: '192.0.2.0/24', type }, `${type} 192.0.2.0/24`),
        made(`of type ${type}, IPv6`, { dst: 'fd00:2::/64', type }, `${type} fd00:2::/64`),
      ]),
      made(
        'of type local',
        { dst: '192.0.2.0/24', type: 'local', linkIndex: 1 },
        'local 192.0.2.0/24 dev lo',
        { given: ['ip link set lo up'] },
      ),
      made(
        'of type local in a table of its own',
        { dst: 'fd00:2::/64', type: 'local', linkIndex: 1, table: 100 },
        'local fd00:2::/64 dev lo table 100',
        { given: ['ip link set lo up'] },
      ),
      made(
        'replaced',
        { dst: '0.0.0.0/0', gateway: parseAddr('10.9.0.253'), linkIndex: V0, mtu: 1300 },
        'default via 10.9.0.253 dev v0 mtu 1300',
        { verb: routeReplace, name: 'replace', given: ['ip route add default via 10.9.0.254'] },
      ),
      made('appended', { dst: '192.0.2.0/24', linkIndex: V1 }, '192.0.2.0/24 dev v1', {
        verb: routeAppend,
        name: 'append',
        given: ['ip route add 192.0.2.0/24 dev v0'],
      }),
      made('prepended', { dst: '192.0.2.0/24', linkIndex: V1 }, '192.0.2.0/24 dev v1', {
        verb: routePrepend,
        name: 'prepend',
        given: ['ip route add 192.0.2.0/24 dev v0'],
      }),
      made(
        'appended, which for IPv6 makes one of several ways',
        { dst: 'fd00:2::/64', gateway: parseAddr('fd00:8::fe'), linkIndex: V1 },
        'fd00:2::/64 via fd00:8::fe dev v1',
        {
          verb: routeAppend,
          name: 'append',
          given: ['ip -6 route add fd00:2::/64 via fd00:9::fe dev v0'],
        },
      ),
      made(
        'deleted by its metric, the other stays',
        { dst: '192.0.2.0/24', priority: 5 },
        '192.0.2.0/24 metric 5',
        {
          verb: (connection, route) => expect(routeDel(connection, route)).toBe(true),
          name: 'del',
          given: [
            'ip route add 192.0.2.0/24 dev v0 metric 4',
            'ip route add blackhole 192.0.2.0/24 metric 5',
          ],
        },
      ),
      made('whose link is down', { dst: '192.0.2.0/24', linkIndex: V0 }, '192.0.2.0/24 dev v0', {
        verb: (connection, route) => routeAdd(connection, route),
        given: ['ip link set v1 down'],
      }),
    ],
    {
      seen: (connection, { family }) => {
        const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
        return routeList(connection, family)
          .filter(({ type }) => type !== 'multicast')
          .map((route) => routeJson(route, names));
      },
      // The kernel makes these when a link comes up, in an order of its own.
      printed: (route) => (route.type === 'multicast' ? undefined : route),
    },
  );
});

describe('the route of a packet as of ip route get', () => {
  const given = [
    ...GIVEN,
    'ip link set lo up',
    'ip route add default via 10.9.0.254 dev v0 mtu 1400',
    'ip route add 192.0.2.0/24 via 10.8.0.254 dev v1 table 7',
    'ip rule add fwmark 5 lookup 7',
    'ip rule add from 10.8.0.1 lookup 7',
    'ip route add fd00:2::/64 via fd00:9::fe dev v0',
  ];
  const asked = (
    title: string,
    query: Parameters<typeof routeGet>[1],
    theirs: string,
    more: string[] = [],
  ) => ({
    title,
    query,
    given: [...given, ...more],
    ours: () => undefined,
    theirs: [],
    shown: `ip -j -d route get ${theirs}`,
  });
  witness(
    'route-get',
    [
      asked('to anywhere', { dst: parseAddr('192.0.2.1') }, '192.0.2.1'),
      asked('to the link', { dst: parseAddr('10.9.0.7') }, '10.9.0.7'),
      asked('to this node', { dst: parseAddr('10.9.0.1') }, '10.9.0.1'),
      asked('with a mark', { dst: parseAddr('192.0.2.1'), mark: 5 }, '192.0.2.1 mark 5'),
      asked(
        'from an address',
        { dst: parseAddr('192.0.2.1'), from: parseAddr('10.8.0.1') },
        '192.0.2.1 from 10.8.0.1',
      ),
      asked('out of a link', { dst: parseAddr('10.8.0.7'), oif: V1 }, '10.8.0.7 oif v1'),
      asked(
        'that comes in by a link',
        { dst: parseAddr('10.8.0.7'), from: parseAddr('10.9.0.9'), iif: V0 },
        '10.8.0.7 from 10.9.0.9 iif v0',
        ['sysctl -q -w net.ipv4.ip_forward=1'],
      ),
      asked('of IPv6', { dst: parseAddr('fd00:2::1') }, 'fd00:2::1'),
      asked(
        'as it stands in its table',
        { dst: parseAddr('192.0.2.1'), fibMatch: true },
        'fibmatch 192.0.2.1',
      ),
    ],
    {
      seen: (connection, { query }) => {
        const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
        const route = routeGet(connection, query);
        if (route === undefined) return [];
        const json = routeJson(route, names);
        // Who made the route is only said of one that stands in a table, as all of IPv6 do.
        return [
          query.fibMatch === true || query.dst.family === 6
            ? json
            : without(json, 'protocol', 'scope'),
        ];
      },
      printed: (route) => without(route, 'cache', 'uid', 'mark', 'iif'),
    },
  );
});

describe('routes', () => {
  const fixture = useNetns('route');

  it('are refused by name, gateway and the words of the kernel', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const route = { dst: parsePrefix('0.0.0.0/0'), gateway: gw4, linkIndex: V0 };
    routeAdd(connection, route);
    expect(() => routeAdd(connection, route)).toThrow(
      /^add route 0.0.0.0\/0 via 10.9.0.254: EEXIST/,
    );
    expect(() => routeAdd(connection, { ...route, gateway: parseAddr('203.0.113.1') })).toThrow(
      /ENETUNREACH: Nexthop has invalid gateway/,
    );
  });

  it('keep an MTU that is locked', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const dst = parsePrefix('192.0.2.0/24');
    routeAdd(connection, { dst, linkIndex: V0, mtu: 1400, locked: ['mtu'] });
    // JSON does not tell.
    expect(run(fixture, 'ip route show 192.0.2.0/24')).toContain('mtu lock 1400');
    const route = routeList(connection, 4).find((each) => each.dst.equals(dst));
    expect(route).toMatchObject({ mtu: 1400, locked: ['mtu'] });
  });

  it('are gone after deletion, and deleting again says so', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    for (const dst of ['192.0.2.0/24', 'fd00:2::/64'].map(parsePrefix)) {
      routeAdd(connection, { dst, linkIndex: V0, table: 9 });
      expect(routeDel(connection, { dst })).toBe(false);
      expect(routeDel(connection, { dst, table: 9 })).toBe(true);
      expect(routeDel(connection, { dst, table: 9 })).toBe(false);
    }
  });

  it('are gone when they are deleted as they were listed', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    for (const line of [
      'ip route add default via 10.9.0.254 dev v0 proto 199 metric 5 mtu 1400 src 10.9.0.1',
      'ip route add 192.0.2.0/24 proto 199 nexthop via 10.9.0.254 dev v0 weight 3 nexthop via inet6 fd00:9::fe dev v0',
      'ip route add unreachable 198.51.100.0/24 proto 199 table 9',
      'ip -6 route add fd00:2::/64 proto 199 nexthop via fd00:9::fe dev v0 nexthop via fd00:8::fe dev v1',
      'ip -6 route add blackhole fd00:3::/64 proto 199',
    ]) {
      run(fixture, line);
    }
    const del = (family: 4 | 6): boolean[] =>
      routeList(connection, family, { protocol: 199 }).map((route) => routeDel(connection, route));
    expect(del(4)).toEqual([true, true, true]);
    expect(del(6)).toEqual([true, true]);
    expect([...del(4), ...del(6)]).toEqual([]);
  });

  it('are listed by what the filter says', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, 'ip route add 192.0.2.0/24 dev v0 table 9 proto 199');
    run(fixture, 'ip route add 192.0.2.0/25 dev v1 table 9 proto 98');
    run(fixture, 'ip route add unreachable 192.0.2.0/26 table 9');
    run(fixture, 'ip -6 route add fd00:2::/64 dev v0 proto 199');
    const list = (filter: RouteFilter, family: 4 | 6 = 4): string[] =>
      routeList(connection, family, filter).map(({ dst }) => `${dst}`);
    expect(list({ table: 9 })).toEqual(['192.0.2.0/26', '192.0.2.0/25', '192.0.2.0/24']);
    expect(list({ table: 9, linkIndex: V1 })).toEqual(['192.0.2.0/25']);
    expect(list({ protocol: 199 })).toEqual(['192.0.2.0/24']);
    expect(list({ protocol: 199 }, 6)).toEqual(['fd00:2::/64']);
    expect(list({ table: 9, type: 'unreachable' })).toEqual(['192.0.2.0/26']);
    expect(list({ table: 4711 })).toEqual([]);
    expect(list({ table: 4711 }, 6)).toEqual([]);
  });

  it('are undefined for a packet nobody routes, and refuse it where a route says so', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, 'ip route add unreachable 192.0.2.0/24');
    run(fixture, 'ip route add prohibit 198.51.100.0/24');
    expect(routeGet(connection, { dst: parseAddr('203.0.113.1') })).toBeUndefined();
    expect(() => routeGet(connection, { dst: parseAddr('192.0.2.1') })).toThrow(/EHOSTUNREACH/);
    expect(() => routeGet(connection, { dst: parseAddr('198.51.100.1') })).toThrow(/EACCES/);
  });
});
