import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { ConnectionBusyError } from '../../../src/netlink/connection.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type LinkChanges,
  linkAdd,
  linkAltNameAdd,
  linkAltNameDel,
  linkByAlias,
  linkByIndex,
  linkByName,
  linkDel,
  linkDelStart,
  linkList,
  linkSet,
  linkStats,
} from '../../../src/netlink/route/link.ts';
import { useNetns } from '../netns-fixture.ts';
import {
  BRIDGE,
  indexOf,
  type LinkCase,
  linkComparison,
  MAC,
  mac,
  made,
  PORT,
  VETH,
} from './link-witness.ts';
import { run, witness } from './witness.ts';

/** Changes of v0, an end of a veth. */
function changed(
  title: string,
  changes: LinkChanges,
  theirs: string,
  given: string[] = [],
): LinkCase {
  return {
    title,
    given: [VETH, ...given],
    link: changes.name ?? 'v0',
    ours: (connection) => linkSet(connection, indexOf(connection, 'v0'), changes),
    theirs: [`ip link set ${theirs}`],
    shown: `ip -j -d link show dev ${changes.name ?? 'v0'}`,
  };
}

const v1 = { name: 'y', mac: mac('02:00:00:00:00:11') };
const PEER = 'peer name y address 02:00:00:00:00:11';

describe('a link made as by ip link add', () => {
  witness(
    'link-add',
    [
      made('veth', { name: 'x', kind: 'veth', peer: v1 }, `type veth ${PEER}`),
      made(
        'veth with settings on both ends',
        {
          name: 'x',
          kind: 'veth',
          mtu: 1400,
          txqlen: 17,
          alias: 'a',
          group: 9,
          numTxQueues: 3,
          numRxQueues: 4,
          gsoMaxSize: 60_000,
          gsoMaxSegs: 50,
          peer: { ...v1, mtu: 1300, numTxQueues: 1, numRxQueues: 1 },
        },
        `mtu 1400 txqueuelen 17 alias a group 9 numtxqueues 3 numrxqueues 4 gso_max_size 60000 gso_max_segs 50 type veth ${PEER} mtu 1300 numtxqueues 1 numrxqueues 1`,
      ),
      made(
        'veth in a bridge',
        { name: 'x', kind: 'veth', peer: v1, master: 2 },
        `master br0 type veth ${PEER}`,
        [BRIDGE],
      ),
      made('bridge', { name: 'x', kind: 'bridge' }, 'type bridge'),
      made(
        'bridge with all its settings',
        {
          name: 'x',
          kind: 'bridge',
          bridge: {
            forwardDelayCs: 400,
            helloTimeCs: 300,
            maxAgeCs: 1000,
            ageingTimeCs: 12_300,
            stpState: 1,
            priority: 4096,
            groupFwdMask: 8,
            groupAddr: mac('01:80:c2:00:00:04'),
            mcastRouter: 2,
            mcastSnooping: false,
            mcastQueryUseIfaddr: true,
            mcastQuerier: true,
            mcastHashMax: 2048,
            mcastLastMemberCount: 3,
            mcastStartupQueryCount: 4,
            mcastLastMemberIntervalCs: 200,
            mcastMembershipIntervalCs: 20_000,
            mcastQuerierIntervalCs: 20_100,
            mcastQueryIntervalCs: 20_200,
            mcastQueryResponseIntervalCs: 900,
            mcastStartupQueryIntervalCs: 3000,
            mcastStatsEnabled: true,
            mcastIgmpVersion: 3,
            mcastMldVersion: 2,
            nfCallIptables: true,
            nfCallIp6tables: true,
            nfCallArptables: true,
            options: { noLinkLocalLearn: true },
          },
        },
        'type bridge forward_delay 400 hello_time 300 max_age 1000 ageing_time 12300 stp_state 1 priority 4096 group_fwd_mask 8 group_address 01:80:c2:00:00:04 mcast_router 2 mcast_snooping 0 mcast_query_use_ifaddr 1 mcast_querier 1 mcast_hash_max 2048 mcast_last_member_count 3 mcast_startup_query_count 4 mcast_last_member_interval 200 mcast_membership_interval 20000 mcast_querier_interval 20100 mcast_query_interval 20200 mcast_query_response_interval 900 mcast_startup_query_interval 3000 mcast_stats_enabled 1 mcast_igmp_version 3 mcast_mld_version 2 nf_call_iptables 1 nf_call_ip6tables 1 nf_call_arptables 1 no_linklocal_learn 1',
      ),
      made(
        "vxlan, flannel's",
        {
          name: 'x',
          kind: 'vxlan',
          mtu: 1450,
          vxlan: {
            id: 1,
            local: parseAddr('192.0.2.1'),
            linkIndex: 3,
            port: 8472,
            learning: false,
          },
        },
        'mtu 1450 type vxlan id 1 local 192.0.2.1 dev v0 dstport 8472 nolearning',
        [VETH],
      ),
      made(
        'vxlan with a group and all its settings',
        {
          name: 'x',
          kind: 'vxlan',
          vxlan: {
            id: 0xffffff,
            group: parseAddr('239.1.1.1'),
            linkIndex: 3,
            port: 4789,
            ttl: 7,
            tos: 1,
            learning: true,
            ageingSeconds: 100,
            limit: 5,
            portRange: { low: 30_000, high: 40_000 },
            proxy: true,
            rsc: true,
            l2miss: true,
            l3miss: true,
            udpCsum: false,
            gbp: true,
            df: 'set',
          },
        },
        'type vxlan id 16777215 group 239.1.1.1 dev v0 dstport 4789 ttl 7 tos inherit learning ageing 100 maxaddress 5 srcport 30000 40000 proxy rsc l2miss l3miss noudpcsum gbp df set',
        [VETH],
      ),
      made(
        'vxlan over IPv6 to one host',
        {
          name: 'x',
          kind: 'vxlan',
          vxlan: {
            id: 7,
            group: parseAddr('fd00::2'),
            local: parseAddr('fd00::1'),
            port: 8472,
            udpZeroCsum6Tx: true,
            udpZeroCsum6Rx: true,
            ttlInherit: true,
            label: 0x12,
          },
        },
        'type vxlan id 7 remote fd00::2 local fd00::1 dstport 8472 udp6zerocsumtx udp6zerocsumrx ttl inherit flowlabel 0x12',
      ),
      made(
        'vxlan that takes its tunnels from routes',
        {
          name: 'x',
          kind: 'vxlan',
          vxlan: { port: 4789, collectMetadata: true, gpe: true, learning: false },
        },
        'type vxlan external dstport 4789 gpe',
      ),
      ...(['private', 'vepa', 'bridge', 'source'] as const).map((mode) =>
        made(
          `macvlan of mode ${mode}`,
          { name: 'x', kind: 'macvlan', linkIndex: 3, macvlan: { mode } },
          `link v0 type macvlan mode ${mode}`,
          [VETH],
        ),
      ),
      made(
        'macvlan of mode passthru with settings',
        {
          name: 'x',
          kind: 'macvlan',
          linkIndex: 3,
          mtu: 1300,
          macvlan: { mode: 'passthru', flags: ['nopromisc'], bcQueueLength: 55 },
        },
        'link v0 mtu 1300 type macvlan mode passthru nopromisc bcqueuelen 55',
        [VETH],
      ),
      made('ifb', { name: 'x', kind: 'ifb' }, 'type ifb'),
    ],
    linkComparison,
  );
});

describe('a link changed as by ip link set', () => {
  witness(
    'link-set',
    [
      changed('up', { up: true }, 'v0 up'),
      changed('down', { up: false }, 'v0 down', ['ip link set v0 up', 'ip link set v1 up']),
      changed('name', { name: 'eth0' }, 'v0 name eth0'),
      changed('mtu and MAC', { mtu: 1280, mac: mac(MAC) }, `v0 mtu 1280 address ${MAC}`),
      changed(
        'promisc, allmulticast',
        { promiscuous: true, allMulticast: true },
        'v0 promisc on allmulticast on',
      ),
      changed(
        'arp and multicast off',
        { arp: false, multicast: false },
        'v0 arp off multicast off',
      ),
      changed('arp on', { arp: true }, 'v0 arp on', ['ip link set v0 arp off']),
      changed(
        'queue, group and alias',
        { txqlen: 5, group: 6, alias: 'b' },
        'v0 txqueuelen 5 group 6 alias b',
      ),
      changed(
        'GSO and GRO',
        { gsoMaxSize: 30_000, gsoMaxSegs: 9, groMaxSize: 40_000 },
        'v0 gso_max_size 30000 gso_max_segs 9 gro_max_size 40000',
      ),
      changed('master', { master: 4 }, 'v0 master br0', [BRIDGE]),
      changed('no master', { master: 0 }, 'v0 nomaster', [BRIDGE, PORT]),
      changed('addrgenmode', { addrGenMode: 'random' }, 'v0 addrgenmode random'),
      changed(
        'place in a bridge',
        {
          bridgePort: {
            state: 'blocking',
            priority: 9,
            cost: 77,
            hairpin: true,
            guard: true,
            rootBlock: true,
            fastLeave: true,
            learning: false,
            flood: false,
            proxyArp: true,
            proxyArpWifi: true,
            mcastRouter: 2,
            mcastFlood: false,
            bcastFlood: false,
            mcastToUnicast: true,
            groupFwdMask: 8,
            neighSuppress: true,
            vlanTunnel: true,
            isolated: true,
            locked: true,
          },
        },
        'v0 type bridge_slave state 4 priority 9 cost 77 hairpin on guard on root_block on fastleave on learning off flood off proxy_arp on proxy_arp_wifi on mcast_router 2 mcast_flood off bcast_flood off mcast_to_unicast on group_fwd_mask 8 neigh_suppress on vlan_tunnel on isolated on locked on',
        [
          BRIDGE,
          PORT,
          'ip link set br0 up type bridge forward_delay 0',
          'ip link set v0 up',
          'ip link set v1 up',
        ],
      ),
      {
        title: "the settings of a link's kind",
        given: [BRIDGE],
        link: 'br0',
        ours: (connection) =>
          linkSet(connection, indexOf(connection, 'br0'), {
            bridge: { ageingTimeCs: 0, priority: 0 },
          }),
        theirs: ['ip link set br0 type bridge ageing_time 0 priority 0'],
        shown: 'ip -j -d link show dev br0',
      },
      {
        title: 'another name',
        given: [VETH],
        link: 'a-name-that-is-longer-than-others',
        ours: (connection) => {
          const index = indexOf(connection, 'v0');
          for (const name of ['short', 'gone', 'a-name-that-is-longer-than-others']) {
            linkAltNameAdd(connection, index, name);
          }
          linkAltNameDel(connection, index, 'gone');
        },
        theirs: [
          'ip link property add dev v0 altname short altname a-name-that-is-longer-than-others',
        ],
        shown: 'ip -j -d link show dev v0',
      },
    ],
    linkComparison,
  );
});

describe('a tun or tap of ip tuntap', () => {
  const shown = 'ip -j -d link show dev t0';
  const both = (title: string, line: string, ...more: string[]): LinkCase => ({
    title,
    given: [line, ...more],
    link: 't0',
    ours: () => undefined,
    theirs: [],
    shown,
  });
  witness(
    'link-tun',
    [
      both('tun', 'ip tuntap add dev t0 mode tun pi'),
      both(
        'tap',
        'ip tuntap add dev t0 mode tap multi_queue vnet_hdr user 1234 group 0',
        'ip link set t0 address 02:00:00:00:00:01',
      ),
    ],
    linkComparison,
  );
});

describe('links', () => {
  const fixture = useNetns('link');
  const far = useNetns('link-far');

  it('move to another namespace, by descriptor and by process', () => {
    using here = RouteConnection.open(fixture.netns);
    using there = RouteConnection.open(far.netns);
    run(fixture, VETH);
    linkSet(here, indexOf(here, 'v0'), { netnsFd: far.netns.fd, name: 'moved', up: true });
    expect(linkByName(here, 'v0')).toBeUndefined();
    const near = linkByName(here, 'v1');
    const moved = linkByName(there, 'moved');
    expect(moved).toMatchObject({ up: true, linkIndex: near?.index });
    expect(near?.linkNetnsid).toBe(0);
    const [seen] = JSON.parse(run(fixture, 'ip -j link show dev v1')) as { link_netnsid: number }[];
    expect(seen?.link_netnsid).toBe(near?.linkNetnsid);
    linkSet(there, indexOf(there, 'moved'), { netnsPid: process.pid });
    // The test's own process is elsewhere: there the link is taken away again at once.
    using own = RouteConnection.open();
    expect(linkDel(own, indexOf(own, 'moved'))).toBe(true);
  });

  it('are made with the other end in another namespace', () => {
    using here = RouteConnection.open(fixture.netns);
    using there = RouteConnection.open(far.netns);
    linkAdd(here, {
      name: 'a',
      kind: 'veth',
      peer: { name: 'b', netnsFd: far.netns.fd },
    });
    expect(linkByName(there, 'b')).toMatchObject({ kind: 'veth', up: false });
    linkAdd(here, {
      name: 'm',
      kind: 'macvlan',
      linkIndex: indexOf(here, 'a'),
      netnsFd: far.netns.fd,
    });
    expect(linkByName(there, 'm')).toMatchObject({ macvlan: { mode: 'vepa' }, linkNetnsid: 0 });
  });

  it('are removed while something else is done, and waited for', () => {
    using connection = RouteConnection.open(fixture.netns);
    linkAdd(connection, { name: 'v0', kind: 'veth', peer: { name: 'v1' } });
    const index = indexOf(connection, 'v0');
    const finish = linkDelStart(connection, index);
    expect(() => linkByName(connection, 'v0')).toThrow(ConnectionBusyError);
    expect(finish()).toBe(true);
    expect(['v0', 'v1'].map((name) => linkByName(connection, name))).toEqual([
      undefined,
      undefined,
    ]);
    expect(linkDelStart(connection, index)()).toBe(false);
  });

  it('are found by name, index, alias and other name, and not when there are none', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, VETH);
    run(fixture, 'ip link set v0 alias owner:me');
    const v0 = linkByName(connection, 'v0');
    expect(linkByIndex(connection, v0?.index ?? 0)).toEqual(v0);
    expect(linkByAlias(connection, 'owner:me')?.index).toBe(v0?.index);
    expect(linkByName(connection, 'none')).toBeUndefined();
    expect(linkByIndex(connection, 4711)).toBeUndefined();
    expect(linkByAlias(connection, 'none')).toBeUndefined();
  });

  it('are listed by master and kind', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [VETH, BRIDGE, PORT]) run(fixture, line);
    const names = (filter: Parameters<typeof linkList>[1]): string[] =>
      linkList(connection, filter).map((link) => link.name);
    expect(names({})).toEqual(['lo', 'v1', 'v0', 'br0']);
    expect(names({ master: indexOf(connection, 'br0') })).toEqual(['v0']);
    expect(names({ kind: 'bridge' })).toEqual(['br0']);
    expect(names({ kind: 'veth' })).toEqual(['v1', 'v0']);
    expect(names({ kind: 'nonesuch' })).toEqual([]);
  });

  it('count what ip -s counts', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, 'ip link set lo up');
    run(fixture, 'ping -c 1 127.0.0.1');
    const [seen] = JSON.parse(run(fixture, 'ip -j -s -s link show lo')) as {
      stats64: Record<'rx' | 'tx', Record<string, number>>;
    }[];
    const stats = linkStats(connection, 1);
    expect(stats).toBeDefined();
    expect(stats?.rxPackets).toBeGreaterThan(0n);
    const number = (value: bigint | undefined): number => Number(value);
    expect(seen?.stats64).toEqual({
      rx: {
        bytes: number(stats?.rxBytes),
        packets: number(stats?.rxPackets),
        errors: number(stats?.rxErrors),
        dropped: number(stats?.rxDropped),
        over_errors: number(stats?.rxOverErrors),
        multicast: number(stats?.multicast),
        length_errors: number(stats?.rxLengthErrors),
        crc_errors: number(stats?.rxCrcErrors),
        frame_errors: number(stats?.rxFrameErrors),
        fifo_errors: number(stats?.rxFifoErrors),
        missed_errors: number(stats?.rxMissedErrors),
      },
      tx: {
        bytes: number(stats?.txBytes),
        packets: number(stats?.txPackets),
        errors: number(stats?.txErrors),
        dropped: number(stats?.txDropped),
        carrier_errors: number(stats?.txCarrierErrors),
        collisions: number(stats?.collisions),
        aborted_errors: number(stats?.txAbortedErrors),
        fifo_errors: number(stats?.txFifoErrors),
        window_errors: number(stats?.txWindowErrors),
        heartbeat_errors: number(stats?.txHeartbeatErrors),
        carrier_changes: linkList(connection)[0]?.carrierChanges,
      },
    });
    expect(linkStats(connection, 4711)).toBeUndefined();
  });

  it('refuse what cannot be, in the words of the kernel', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, VETH);
    expect(() => linkSet(connection, indexOf(connection, 'v0'), { mtu: 1 })).toThrow(
      /^set link 3: EINVAL: mtu less than device minimum$/,
    );
    expect(() => linkSet(connection, indexOf(connection, 'v0'), { name: 'v1' })).toThrow(/EEXIST/);
    expect(() => linkAltNameAdd(connection, indexOf(connection, 'v0'), 'v1')).toThrow(/EEXIST/);
    expect(() => linkAltNameDel(connection, indexOf(connection, 'v0'), 'none')).toThrow(/E[A-Z]+/);
  });
});
