import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type FdbEntry,
  type FdbFilter,
  fdbAdd,
  fdbAppend,
  fdbDel,
  fdbList,
  fdbReplace,
  type KernelFdbEntry,
} from '../../../src/netlink/route/fdb.ts';
import { linkList } from '../../../src/netlink/route/link.ts';
import { useNetns } from '../netns-fixture.ts';
import { BRIDGE, MAC, mac, PORT, VETH } from './link-witness.ts';
import { type Printed, present, run, type WitnessCase, witness } from './witness.ts';

/** v1 (2), v0 (3) in br0 (4), and vx (5). */
const GIVEN = [
  // Or else there is traffic, and bridges learn from it.
  'sysctl -q -w net.ipv6.conf.default.disable_ipv6=1',
  VETH,
  BRIDGE,
  PORT,
  'ip link add vx address 02:00:00:00:00:05 type vxlan id 1 local 192.0.2.1 dstport 8472 nolearning',
  'ip link set br0 up type bridge forward_delay 0',
  'ip link set v0 up',
  'ip link set v1 up',
];
const V0 = 3;
const BR0 = 4;
const VX = 5;

const ZERO = '00:00:00:00:00:00';
const far = parseAddr('198.51.100.7');

function entryJson(entry: KernelFdbEntry, names: ReadonlyMap<number, string>): Printed {
  const flags = {
    self: entry.self,
    router: entry.router,
    extern_learn: entry.externLearn,
    offload: entry.offloaded,
    sticky: entry.sticky,
  };
  return present({
    mac: `${entry.mac}`,
    ifname: names.get(entry.linkIndex),
    dst: entry.dst === undefined ? undefined : `${entry.dst}`,
    vlan: entry.vlan,
    port: entry.port,
    vni: entry.vni,
    src_vni: entry.srcVni,
    viaIf: entry.viaIndex === undefined ? undefined : names.get(entry.viaIndex),
    flags: Object.entries(flags)
      .filter(([, on]) => on)
      .map(([name]) => name),
    master: entry.masterIndex === undefined ? undefined : names.get(entry.masterIndex),
    state: entry.state === 'dynamic' ? '' : entry.state,
  });
}

function made(
  title: string,
  entry: Omit<FdbEntry, 'mac'>,
  theirs: string,
  {
    verb = fdbAdd as typeof fdbAdd | typeof fdbReplace,
    name = 'add',
    given = [] as string[],
    to = MAC,
  } = {},
): WitnessCase {
  return {
    title,
    given: [...GIVEN, ...given],
    ours: (connection) => {
      expect(verb(connection, { ...entry, mac: mac(to) })).not.toBe(false);
    },
    theirs: [`bridge fdb ${name} ${to} ${theirs}`],
    shown: 'bridge -j fdb show',
  };
}

describe('an FDB entry as of bridge fdb', () => {
  witness(
    'fdb',
    [
      made(
        "far end of a VXLAN, flannel's",
        { linkIndex: VX, dst: far },
        `dev vx dst ${far} self permanent`,
      ),
      made(
        'far end with all settings',
        {
          linkIndex: VX,
          dst: far,
          port: 4444,
          vni: 77,
          viaIndex: V0,
          state: 'static',
          router: true,
          externLearn: true,
        },
        `dev vx dst ${far} port 4444 vni 77 via v0 self static router extern_learn`,
      ),
      made('far end of IPv6', { linkIndex: VX, dst: parseAddr('fd00::7') }, 'dev vx dst fd00::7', {
        given: [
          'ip link set vx type vxlan id 1',
          'ip link del vx',
          'ip link add vx address 02:00:00:00:00:05 index 5 type vxlan id 1 local fd00::1 dstport 8472',
        ],
      }),
      made(
        'one more far end',
        { linkIndex: VX, dst: parseAddr('198.51.100.8') },
        'dev vx dst 198.51.100.8',
        {
          verb: fdbAppend,
          name: 'append',
          given: [`bridge fdb append ${ZERO} dev vx dst ${far}`],
          to: ZERO,
        },
      ),
      made(
        'far end replaced',
        { linkIndex: VX, dst: parseAddr('198.51.100.8') },
        'dev vx dst 198.51.100.8',
        {
          verb: fdbReplace,
          name: 'replace',
          given: [`bridge fdb add ${MAC} dev vx dst ${far}`],
        },
      ),
      made(
        'of a bridge, static and sticky',
        { linkIndex: V0, master: true, state: 'static', sticky: true },
        'dev v0 master static sticky',
      ),
      made(
        'of a bridge, dynamic',
        { linkIndex: V0, master: true, state: 'dynamic' },
        'dev v0 master dynamic',
      ),
      made('of a bridge, its own', { linkIndex: V0, master: true }, 'dev v0 master local'),
      made(
        'of a bridge, learned elsewhere',
        { linkIndex: V0, master: true, state: 'dynamic', externLearn: true },
        'dev v0 master dynamic extern_learn',
      ),
      made('of the bridge itself', { linkIndex: BR0, state: 'permanent' }, 'dev br0 self'),
      made('of a link that filters addresses', { linkIndex: V0 }, 'dev v0 self'),
    ],
    {
      seen: (connection) => {
        const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
        return fdbList(connection).map((entry) => entryJson(entry, names));
      },
    },
  );
});

describe('FDB entries', () => {
  const fixture = useNetns('fdb');

  it('are there or gone, and adding and deleting say whether they were', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const entries: FdbEntry[] = [
      { linkIndex: VX, mac: mac(MAC), dst: far },
      { linkIndex: V0, mac: mac(MAC), master: true, state: 'static' },
    ];
    for (const entry of entries) {
      expect(fdbDel(connection, entry)).toBe(false);
      expect(fdbAdd(connection, entry)).toBe(true);
      expect(fdbAdd(connection, entry)).toBe(false);
      expect(fdbDel(connection, entry)).toBe(true);
      expect(fdbDel(connection, entry)).toBe(false);
    }
    const all = { linkIndex: VX, mac: mac(ZERO), dst: far };
    expect(fdbAppend(connection, all)).toBe(true);
    expect(fdbAppend(connection, { ...all, dst: parseAddr('198.51.100.8') })).toBe(true);
    expect(fdbList(connection, { linkIndex: VX }).map(({ dst }) => `${dst}`)).toEqual([
      '198.51.100.7',
      '198.51.100.8',
    ]);
  });

  it('are gone when they are deleted as they were listed', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, `bridge fdb add ${MAC} dev v0 master static`);
    run(fixture, `bridge fdb add ${MAC} dev vx dst ${far} port 4444 vni 77 via v0`);
    run(fixture, `bridge fdb append ${ZERO} dev vx dst ${far}`);
    run(fixture, `bridge fdb append ${ZERO} dev vx dst 198.51.100.8`);
    const left = (): KernelFdbEntry[] =>
      fdbList(connection).filter((entry) => [MAC, ZERO].includes(`${entry.mac}`));
    expect(left().length).toBeGreaterThanOrEqual(4);
    // A bridge with VLANs keeps one entry for each of them, and the one without takes them along.
    for (const entry of left()) fdbDel(connection, entry);
    expect(left()).toEqual([]);
  });

  it('are listed by link and bridge', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    run(fixture, `bridge fdb add ${MAC} dev v0 master static`);
    run(fixture, `bridge fdb add ${MAC} dev vx dst ${far}`);
    // A kernel that knows VLANs of bridges has an entry for each of them.
    const links = (filter: FdbFilter): Set<number> =>
      new Set(
        fdbList(connection, filter)
          .filter((entry) => `${entry.mac}` === MAC)
          .map((entry) => entry.linkIndex),
      );
    expect(links({})).toEqual(new Set([V0, VX]));
    expect(links({ linkIndex: VX })).toEqual(new Set([VX]));
    expect(links({ bridge: BR0 })).toEqual(new Set([V0]));
    expect(links({ linkIndex: 4711 })).toEqual(new Set());
  });
});
