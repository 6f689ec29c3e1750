import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkList } from '../../../src/netlink/route/link.ts';
import {
  type Neigh,
  type NeighFilter,
  neighAdd,
  neighDel,
  neighList,
  neighReplace,
} from '../../../src/netlink/route/neigh.ts';
import { useNetns } from '../netns-fixture.ts';
import { BRIDGE, MAC, mac, PORT, VETH } from './link-witness.ts';
import { present, run, type WitnessCase, without, witness } from './witness.ts';

/** v0 (3) and v1 (2) know no neighbours but those of the test. */
const GIVEN = [
  VETH,
  'ip link set v0 addrgenmode none',
  'ip link set v1 addrgenmode none',
  'ip link set v0 up',
  'ip link set v1 up',
];
const V0 = 3;

interface NeighCase extends WitnessCase {
  readonly proxy?: boolean;
}

function made(
  title: string,
  neigh: Omit<Neigh, 'linkIndex' | 'dst'>,
  theirs: string,
  {
    dst = '10.9.0.2',
    verb = neighAdd as typeof neighAdd | typeof neighReplace,
    name = 'add',
    given = [] as string[],
  } = {},
): NeighCase {
  const proxy = neigh.proxy === true;
  return {
    title,
    proxy,
    given: [...GIVEN, ...given],
    ours: (connection) => {
      expect(verb(connection, { ...neigh, linkIndex: V0, dst: parseAddr(dst) })).not.toBe(false);
    },
    theirs: [`ip neigh ${name} ${proxy ? 'proxy ' : ''}${dst} dev v0 ${theirs}`.trimEnd()],
    shown: `ip -j -d neigh show${proxy ? ' proxy' : ' nud all'}`,
  };
}

const lladdr = mac(MAC);

describe('a neighbour as of ip neigh', () => {
  witness<NeighCase>(
    'neigh',
    [
      made('permanent', { lladdr }, `lladdr ${MAC}`),
      made('permanent, IPv6', { lladdr }, `lladdr ${MAC}`, { dst: 'fd00::2' }),
      ...(['reachable', 'stale', 'noarp', 'failed'] as const).map((state) =>
        made(state, { lladdr, state }, `lladdr ${MAC} nud ${state}`),
      ),
      made(
        'with all settings',
        { lladdr, router: true, externLearn: true, protocol: 199, state: 'noarp' },
        `lladdr ${MAC} router extern_learn protocol 199 nud noarp`,
        { dst: 'fd00::2' },
      ),
      made('proxy', { proxy: true }, ''),
      made(
        'proxy with settings',
        { proxy: true, router: true, protocol: 199 },
        'router protocol 199',
        {
          dst: 'fd00::2',
        },
      ),
      made('replaced', { lladdr }, `lladdr ${MAC}`, {
        verb: neighReplace,
        name: 'replace',
        given: ['ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:77 dev v0 nud reachable'],
      }),
    ],
    {
      seen: (connection, { proxy }) => {
        const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
        // ip(8) does not show what needs no address resolution.
        return neighList(connection, { proxy })
          .filter(({ dst }) => dst.family === 4 || dst.w0 >>> 24 !== 0xff)
          .map((neigh) =>
            present({
              dst: `${neigh.dst}`,
              dev: names.get(neigh.linkIndex),
              lladdr: neigh.lladdr === undefined ? undefined : `${neigh.lladdr}`,
              proxy: neigh.proxy === true ? null : undefined,
              router: neigh.router === true ? null : undefined,
              extern_learn: neigh.externLearn === true ? null : undefined,
              protocol: neigh.protocol === undefined ? undefined : `${neigh.protocol}`,
              state: neigh.state === 'none' ? undefined : [neigh.state.toUpperCase()],
            }),
          );
      },
      printed: (neigh) =>
        String(neigh.dst).startsWith('ff') ? undefined : without(neigh, 'offload'),
    },
  );
});

describe('neighbours', () => {
  const fixture = useNetns('neigh');

  it('are there or gone, and adding and deleting say whether they were', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    for (const dst of ['10.9.0.2', 'fd00::2'].map(parseAddr)) {
      for (const neigh of [
        { linkIndex: V0, dst, lladdr },
        { linkIndex: V0, dst, proxy: true },
      ]) {
        expect(neighDel(connection, neigh)).toBe(false);
        expect(neighAdd(connection, neigh)).toBe(true);
        if (neigh.proxy !== true) expect(neighAdd(connection, neigh)).toBe(false);
        expect(neighDel(connection, neigh)).toBe(true);
        // What is deleted stays for a while, as failed.
        expect(
          neighList(connection, { linkIndex: V0, proxy: neigh.proxy }).filter(
            (each) => each.dst.equals(dst) && each.state === 'permanent',
          ),
        ).toEqual([]);
      }
    }
  });

  it('are gone when they are deleted as they were listed', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, `ip neigh add 10.9.0.2 dev v0 lladdr ${MAC} extern_learn protocol 199`);
    run(fixture, `ip neigh add fd00::2 dev v0 lladdr ${MAC} router`);
    const left = (): boolean[] =>
      neighList(connection, { linkIndex: V0 })
        .filter(({ lladdr: has, state }) => has?.equals(lladdr) === true && state === 'permanent')
        .map((neigh) => neighDel(connection, neigh));
    expect(left()).toEqual([true, true]);
    expect(left()).toEqual([]);
  });

  it('are looked for and kept when they are managed', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, 'ip addr add 10.9.0.1/24 dev v0');
    const dst = parseAddr('10.9.0.2');
    neighAdd(connection, { linkIndex: V0, dst, managed: true, state: 'none' });
    expect(run(fixture, 'ip neigh show 10.9.0.2')).toContain(' managed ');
    const [found] = neighList(connection, { linkIndex: V0, family: 4 });
    expect(found).toMatchObject({ managed: true, lladdr: undefined });
  });

  it('are listed by family, link and master', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [...GIVEN, BRIDGE, PORT]) run(fixture, line);
    for (const line of ['10.9.0.2 dev v0', '10.9.0.3 dev v1', 'fd00::2 dev v0']) {
      run(fixture, `ip neigh add ${line} lladdr ${MAC}`);
    }
    const list = (filter: NeighFilter): string[] =>
      neighList(connection, filter)
        .filter(({ state }) => state === 'permanent')
        .map(({ dst }) => `${dst}`)
        .sort();
    expect(list({})).toEqual(['10.9.0.2', '10.9.0.3', 'fd00::2']);
    expect(list({ family: 4 })).toEqual(['10.9.0.2', '10.9.0.3']);
    expect(list({ linkIndex: V0 })).toEqual(['10.9.0.2', 'fd00::2']);
    expect(list({ linkIndex: V0, family: 6 })).toEqual(['fd00::2']);
    expect(list({ master: 4 })).toEqual(['10.9.0.2', 'fd00::2']);
    expect(list({ linkIndex: 4711 })).toEqual([]);
  });
});
