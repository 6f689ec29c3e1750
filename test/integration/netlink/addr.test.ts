import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import {
  type AddrOptions,
  addrAdd,
  addrDel,
  addrFlush,
  addrList,
  addrReplace,
  type LinkAddr,
} from '../../../src/netlink/route/addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { useNetns } from '../netns-fixture.ts';
import { indexOf, VETH } from './link-witness.ts';
import { type Printed, present, run, type WitnessCase, witness } from './witness.ts';

/** v0, without the link-local address it would give itself. */
const GIVEN = [VETH, 'ip link set v0 addrgenmode none', 'ip link set v0 up', 'ip link set v1 up'];
const SCOPES: Readonly<Record<number, string>> = {
  0: 'global',
  200: 'site',
  253: 'link',
  254: 'host',
};
const FOREVER = 4_294_967_295;

function addrJson(addr: LinkAddr): Printed {
  const isV4 = addr.prefix.addr.family === 4;
  return present({
    family: isV4 ? 'inet' : 'inet6',
    local: `${addr.prefix.addr}`,
    address: addr.peer === undefined ? undefined : `${addr.peer}`,
    prefixlen: addr.prefix.bits,
    metric: addr.priority,
    broadcast: addr.broadcast === undefined ? undefined : `${addr.broadcast}`,
    scope: SCOPES[addr.scope],
    protocol: addr.protocol ? `${addr.protocol}` : undefined,
    secondary: isV4 && addr.secondary ? true : undefined,
    temporary: !isV4 && addr.secondary ? true : undefined,
    dynamic: addr.permanent ? undefined : true,
    nodad: addr.noDad || undefined,
    optimistic: addr.optimistic || undefined,
    dadfailed: addr.dadFailed || undefined,
    home: addr.homeAddress || undefined,
    deprecated: addr.deprecated || undefined,
    tentative: addr.tentative || undefined,
    mngtmpaddr: addr.manageTempAddr || undefined,
    noprefixroute: addr.noPrefixRoute || undefined,
    autojoin: addr.autoJoin || undefined,
    'stable-privacy': addr.stablePrivacy || undefined,
    label: addr.label,
    valid_life_time: addr.validSeconds ?? FOREVER,
    preferred_life_time: addr.preferredSeconds ?? FOREVER,
  });
}

function added(title: string, prefix: string, options: AddrOptions, theirs: string): WitnessCase {
  return {
    title,
    given: GIVEN,
    ours: (connection) => {
      expect(addrAdd(connection, indexOf(connection, 'v0'), parsePrefix(prefix), options)).toBe(
        true,
      );
    },
    theirs: [`ip addr add ${theirs} dev v0`],
    shown: 'ip -j -d addr show dev v0',
  };
}

describe('an address as of ip addr', () => {
  witness(
    'addr',
    [
      added(
        'IPv4 with the broadcast address of its prefix',
        '10.9.0.1/24',
        {},
        '10.9.0.1/24 brd +',
      ),
      added(
        'IPv4 without a broadcast address',
        '10.9.0.1/24',
        { broadcast: 'none' },
        '10.9.0.1/24',
      ),
      added(
        'IPv4 with all its settings',
        '10.9.0.1/24',
        {
          broadcast: parseAddr('10.9.0.99'),
          label: 'v0:x',
          scope: 253,
          priority: 77,
          noPrefixRoute: true,
        },
        '10.9.0.1/24 brd 10.9.0.99 label v0:x scope link metric 77 noprefixroute',
      ),
      added(
        'IPv4 to a peer',
        '10.9.0.1/32',
        { peer: parseAddr('10.9.0.2') },
        '10.9.0.1 peer 10.9.0.2/32',
      ),
      added('IPv4 of the loopback', '127.9.0.1/32', {}, '127.9.0.1/32'),
      added(
        'IPv4 with lifetimes',
        '10.9.0.1/24',
        { validSeconds: 5000, preferredSeconds: 4000 },
        '10.9.0.1/24 brd + valid_lft 5000 preferred_lft 4000',
      ),
      added(
        'IPv6 without duplicate address detection',
        'fd00:9::1/64',
        { noDad: true },
        'fd00:9::1/64 nodad',
      ),
      added(
        'IPv6 with all its settings',
        'fd00:9::1/64',
        {
          noDad: true,
          homeAddress: true,
          manageTempAddr: true,
          noPrefixRoute: true,
          priority: 9,
        },
        'fd00:9::1/64 nodad home mngtmpaddr noprefixroute metric 9',
      ),
      added(
        'IPv6 to a peer',
        'fd00:9::1/128',
        { noDad: true, peer: parseAddr('fd00:9::2') },
        'fd00:9::1 peer fd00:9::2/128 nodad',
      ),
      added(
        'IPv6 that is no longer preferred',
        'fd00:9::1/64',
        { noDad: true, preferredSeconds: 0 },
        'fd00:9::1/64 nodad preferred_lft 0',
      ),
      {
        title: 'several, the second of a prefix secondary',
        given: GIVEN,
        ours: (connection) => {
          const index = indexOf(connection, 'v0');
          for (const prefix of ['10.9.0.1/24', '10.9.0.2/24', '192.0.2.1/31', 'fd00::1/128']) {
            addrAdd(connection, index, parsePrefix(prefix), { noDad: true });
          }
        },
        theirs: [
          'ip addr add 10.9.0.1/24 brd + dev v0',
          'ip addr add 10.9.0.2/24 brd + dev v0',
          'ip addr add 192.0.2.1/31 dev v0',
          'ip addr add fd00::1/128 nodad dev v0',
        ],
        shown: 'ip -j -d addr show dev v0',
      },
      {
        title: 'replaced',
        given: [...GIVEN, 'ip addr add fd00:9::1/64 nodad dev v0'],
        ours: (connection) =>
          addrReplace(connection, indexOf(connection, 'v0'), parsePrefix('fd00:9::1/64'), {
            noDad: true,
            validSeconds: 9000,
            preferredSeconds: 8000,
          }),
        theirs: ['ip addr replace fd00:9::1/64 nodad valid_lft 9000 preferred_lft 8000 dev v0'],
        shown: 'ip -j -d addr show dev v0',
      },
    ],
    {
      seen: (connection) => [
        { addr_info: settled(addrList(connection, indexOf(connection, 'v0')).map(addrJson)) },
      ],
      printed: ({ addr_info }) => ({ addr_info: settled(addr_info as Printed[]) }),
    },
  );
});

/** Lifetimes that run while we look, to the next ten seconds. */
function settled(addrs: readonly Printed[]): Printed[] {
  const round = (value: unknown): number => Math.ceil(Number(value) / 10) * 10;
  return addrs.map((addr) => ({
    ...addr,
    valid_life_time: round(addr.valid_life_time),
    preferred_life_time: round(addr.preferred_life_time),
  }));
}

describe('addresses', () => {
  const fixture = useNetns('addr');

  it('are there or gone, and adding and deleting say whether they were', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const index = indexOf(connection, 'v0');
    for (const prefix of ['10.9.0.1/24', 'fd00:9::1/64'].map(parsePrefix)) {
      expect(addrAdd(connection, index, prefix)).toBe(true);
      expect(addrAdd(connection, index, prefix)).toBe(false);
      expect(addrDel(connection, index, prefix)).toBe(true);
      expect(addrDel(connection, index, prefix)).toBe(false);
    }
  });

  it('say who made them', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const index = indexOf(connection, 'v0');
    addrAdd(connection, index, parsePrefix('10.9.0.1/24'), { protocol: 44 });
    addrAdd(connection, index, parsePrefix('fd00:9::1/64'), { protocol: 45 });
    expect(addrList(connection, index).map(({ protocol }) => protocol)).toEqual([44, 45]);
  });

  it('are tentative until another holder could have answered', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const index = indexOf(connection, 'v0');
    addrAdd(connection, index, parsePrefix('fd00:9::1/64'));
    expect(addrList(connection, index, 6)).toMatchObject([{ tentative: true, dadFailed: false }]);
  });

  it('are listed by link and family', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [
      ...GIVEN,
      'ip addr add 10.9.0.1/24 dev v0',
      'ip addr add fd00::1/64 dev v0',
    ]) {
      run(fixture, line);
    }
    run(fixture, 'ip addr add 192.0.2.1/32 dev v1');
    const list = (...filter: [number?, (4 | 6)?]): string[] =>
      addrList(connection, ...filter)
        .filter(({ scope }) => scope === 0)
        .map(({ prefix }) => `${prefix}`);
    const index = indexOf(connection, 'v0');
    expect(list()).toEqual(['192.0.2.1/32', '10.9.0.1/24', 'fd00::1/64']);
    expect(list(index)).toEqual(['10.9.0.1/24', 'fd00::1/64']);
    expect(list(index, 6)).toEqual(['fd00::1/64']);
    expect(list(undefined, 4)).toEqual(['192.0.2.1/32', '10.9.0.1/24']);
    expect(list(4711)).toEqual([]);
  });

  it('are flushed, all or those that are meant', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    for (const addr of ['10.9.0.1/24', '10.9.0.2/24', '192.0.2.1/24', 'fd00::1/64']) {
      run(fixture, `ip addr add ${addr} dev v0`);
    }
    run(fixture, 'ip addr add 10.7.0.1 peer 10.7.0.2/32 dev v0');
    const index = indexOf(connection, 'v0');
    expect(addrFlush(connection, index, ({ prefix }) => `${prefix}` === '192.0.2.1/24')).toBe(1);
    expect(addrList(connection, index).map(({ prefix }) => `${prefix}`)).toEqual([
      '10.9.0.1/24',
      '10.7.0.1/32',
      '10.9.0.2/24',
      'fd00::1/64',
    ]);
    // The second of the prefix goes with the first one.
    expect(addrFlush(connection, index)).toBe(3);
    expect(addrList(connection, index)).toEqual([]);
    expect(addrFlush(connection, index)).toBe(0);
  });
});
