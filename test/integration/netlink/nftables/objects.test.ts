import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../../src/ipaddr/parse-addr.ts';
import { Batch } from '../../../../src/netlink/nftables/batch.ts';
import type { ChainSpec } from '../../../../src/netlink/nftables/chain.ts';
import { NftablesConnection } from '../../../../src/netlink/nftables/connection.ts';
import type { Element } from '../../../../src/netlink/nftables/element.ts';
import {
  connectionLimit,
  counter,
  limit,
  limitData,
  quota,
} from '../../../../src/netlink/nftables/expression/stateful.ts';
import { ACCEPT, DROP, jumpTo } from '../../../../src/netlink/nftables/expression/verdict.ts';
import type { Family } from '../../../../src/netlink/nftables/family.ts';
import {
  chainList,
  elementGet,
  elementList,
  objectList,
  setGet,
  setList,
  tableList,
} from '../../../../src/netlink/nftables/list.ts';
import type { ObjectSpec } from '../../../../src/netlink/nftables/object.ts';
import type { SetSpec } from '../../../../src/netlink/nftables/set.ts';
import {
  CLASSID,
  concat,
  ETHER_ADDR,
  IFNAME,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  IPV6_ADDR,
  MARK,
  VERDICT,
} from '../../../../src/netlink/nftables/types.ts';
import {
  concatValues,
  hostU32,
  interfaceName,
  networkU16,
} from '../../../../src/netlink/nftables/value.ts';
import { useNetns } from '../../netns-fixture.ts';
import { Nft } from './nft.ts';

const fixture = useNetns('nftobjects');
const address = (text: string): Uint8Array => parseAddr(text).toBytes();

describe('a table', () => {
  it.each([
    ['plain', {}, ''],
    ['with a comment', { comment: 'ours' }, 'comment "ours";'],
    ['dormant', { flags: ['dormant'] as const }, 'flags dormant;'],
  ])('%s is the one nft(8) makes', (_, spec, text) => {
    const nft = new Nft(fixture);
    using connection = NftablesConnection.open(fixture.netns);
    nft.load(`table inet theirs {\n${text}\n}`);
    const batch = new Batch(connection);
    batch.tableAdd({ family: 'inet', name: 'ours', ...spec });
    batch.commit();
    // Its JSON (version 1.0.6) knows no flags of a table.
    const [ours, theirs] = ['ours', 'theirs'].map((name) =>
      fixture.exec('nft', 'list', 'table', 'inet', name).replace(name, 't'),
    );
    expect(ours).toBe(theirs);
    for (const { name, handle, ...table } of tableList(connection)) {
      expect(['ours', 'theirs']).toContain(name);
      expect(handle).toBeGreaterThan(0n);
      expect(table).toEqual({ family: 'inet', useCount: 0, ...spec });
    }
    expect(tableList(connection)).toHaveLength(2);
    nft.expectReloads();
  });

  it('belongs to the connection that makes it, and stays when it is to persist', () => {
    using reader = NftablesConnection.open(fixture.netns);
    const owner = NftablesConnection.open(fixture.netns);
    const [fleeting, lasting] = [
      { family: 'ip', name: 'fleeting', flags: ['owner'] as const },
      { family: 'ip', name: 'lasting', flags: ['owner', 'persist'] as const },
    ] as const;
    const batch = new Batch(owner);
    batch.tableAdd(fleeting);
    batch.tableAdd(lasting);
    batch.commit();
    expect(tableList(reader, 'ip').map(({ name, flags }) => [name, flags])).toEqual([
      ['fleeting', ['owner']],
      ['lasting', ['owner', 'persist']],
    ]);
    expect(tableList(reader, 'ip')[0]?.owner).toBeGreaterThan(0);

    const intruder = new Batch(reader);
    intruder.chainAdd(lasting, { name: 'c' });
    expect(() => intruder.commit()).toThrow(/add chain c of table ip lasting: EPERM/);
    owner.close();
    expect(tableList(reader, 'ip').map(({ name }) => name)).toEqual(['lasting']);
    // Nobody owns it now, so whoever asks first does.
    using heir = NftablesConnection.open(fixture.netns);
    const claim = new Batch(heir);
    claim.tableAdd(lasting);
    claim.chainAdd(lasting, { name: 'c' });
    claim.commit();
    expect(chainList(reader, lasting).map(({ name }) => name)).toEqual(['c']);
  });
});

describe('a chain', () => {
  const cases: readonly (readonly [Family, string, Omit<ChainSpec, 'name'>])[] = [
    ['ip', '', {}],
    ['ip', 'comment "why";', { comment: 'why' }],
    [
      'ip',
      'type filter hook input priority 0; policy drop;',
      { hook: { type: 'filter', hook: 'input', priority: 0, policy: 'drop' } },
    ],
    [
      'ip6',
      'type nat hook postrouting priority 100;',
      { hook: { type: 'nat', hook: 'postrouting', priority: 100 } },
    ],
    [
      'ip',
      'type route hook output priority -150;',
      { hook: { type: 'route', hook: 'output', priority: -150 } },
    ],
    [
      'inet',
      'type filter hook forward priority -7;',
      { hook: { type: 'filter', hook: 'forward', priority: -7 } },
    ],
    [
      'inet',
      'type filter hook ingress device "lo" priority 1;',
      { hook: { type: 'filter', hook: 'ingress', priority: 1, devices: ['lo'] } },
    ],
    [
      'bridge',
      'type filter hook prerouting priority -300;',
      { hook: { type: 'filter', hook: 'prerouting', priority: -300 } },
    ],
    [
      'arp',
      'type filter hook output priority 0;',
      { hook: { type: 'filter', hook: 'output', priority: 0 } },
    ],
    [
      'netdev',
      'type filter hook ingress devices = { lo, v1, v2 } priority 0;',
      { hook: { type: 'filter', hook: 'ingress', priority: 0, devices: ['lo', 'v1', 'v2'] } },
    ],
    [
      'netdev',
      'type filter hook egress device "v1" priority 5; policy drop;',
      { hook: { type: 'filter', hook: 'egress', priority: 5, policy: 'drop', devices: ['v1'] } },
    ],
  ];
  it.each(cases)('of family %s: %s', (family, text, spec) => {
    fixture.exec('ip', 'link', 'add', 'v1', 'type', 'veth', 'peer', 'name', 'v2');
    const nft = new Nft(fixture);
    using connection = NftablesConnection.open(fixture.netns);
    nft.load(`table ${family} theirs {\nchain c {\n${text}\n}\n}\ntable ${family} ours { }`);
    const batch = new Batch(connection);
    batch.chainAdd({ family, name: 'ours' }, { name: 'c', ...spec });
    batch.commit();
    expect(nft.table(family, 'ours', 't')).toEqual(nft.table(family, 'theirs', 't'));
    for (const name of ['ours', 'theirs']) {
      const handle = expect.any(BigInt);
      const listed = chainList(connection, { family, name });
      expect(listed).toEqual([{ name: 'c', handle, useCount: 0, ...spec }]);
    }
    nft.expectReloads();
  });

  it('of a hook its family does not have is refused by name', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const hook = { type: 'filter', hook: 'ingress', priority: 0 } as const;
    expect(() =>
      new Batch(connection).chainAdd({ family: 'ip', name: 't' }, { name: 'c', hook }),
    ).toThrow('hook "ingress" of family ip, expected one of prerouting, input, forward');
  });
});

describe('a named object', () => {
  const cases: readonly (readonly [string, ObjectSpec])[] = [
    [
      'counter o { packets 3 bytes 4; comment "why"; }',
      { type: 'counter', name: 'o', comment: 'why', data: { packets: 3n, bytes: 4n } },
    ],
    [
      'quota o { over 10 mbytes used 5 bytes }',
      { type: 'quota', name: 'o', data: { bytes: 10n << 20n, consumed: 5n, flags: 1 } },
    ],
    [
      'limit o { rate over 10/minute burst 7 packets }',
      {
        type: 'limit',
        name: 'o',
        data: limitData({ rate: 10, per: 'minute', of: 'packets', burst: 7, over: true }),
      },
    ],
    [
      'ct helper o { type "ftp" protocol tcp; l3proto ip; }',
      { type: 'ct helper', name: 'o', data: { helper: 'ftp', l3proto: 2, l4proto: 6 } },
    ],
  ];
  it.each(cases)('%s', (text, object) => {
    const nft = new Nft(fixture);
    using connection = NftablesConnection.open(fixture.netns);
    nft.load(`table ip theirs {\n${text}\n}\ntable ip ours { }`);
    const ours = { family: 'ip', name: 'ours' } as const;
    const batch = new Batch(connection);
    batch.objectAdd(ours, object);
    batch.commit();
    expect(nft.table('ip', 'ours', 't')).toEqual(nft.table('ip', 'theirs', 't'));
    for (const name of ['ours', 'theirs'] as const) {
      const listed = objectList(connection, { family: 'ip', name }, { type: object.type });
      expect(listed).toEqual([{ ...object, handle: expect.any(BigInt), useCount: 0 }]);
    }
    nft.expectReloads();
    const smaller = new Batch(connection);
    smaller.objectDel(ours, object.type, 'o');
    smaller.commit();
    expect(objectList(connection, ours)).toEqual([]);
  });

  it('limits connections, of which nft(8) (version 1.0.6) has no words', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const table = { family: 'ip', name: 't' } as const;
    const object = { type: 'connlimit', name: 'o', data: { count: 5, flags: 1 } } as const;
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.objectAdd(table, object);
    batch.commit();
    expect(objectList(connection, table)).toMatchObject([object]);
  });

  it('gives what it counted and begins at zero again', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const table = { family: 'ip', name: 't' } as const;
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.objectAdd(table, { type: 'counter', name: 'o', data: { packets: 3n, bytes: 4n } });
    batch.commit();
    const counted = objectList(connection, table, { reset: true }).map(({ data }) => data);
    expect(counted).toEqual([{ packets: 3n, bytes: 4n }]);
    const after = objectList(connection, table).map(({ data }) => data);
    expect(after).toEqual([{ packets: 0n, bytes: 0n }]);
  });
});

/** A set with elements, in nft(8)'s words and in ours. */
interface SetCase {
  readonly text: string;
  readonly set: SetSpec;
  readonly elements: readonly Element[];
}

const SET_CASES: readonly SetCase[] = [
  {
    text: 'set s { type ipv4_addr; comment "why"; elements = { 192.0.2.1 comment "one", 192.0.2.2 } }',
    set: { name: 's', comment: 'why', key: IPV4_ADDR },
    elements: [{ key: address('192.0.2.1'), comment: 'one' }, { key: address('192.0.2.2') }],
  },
  {
    text: 'set s { type ipv6_addr; size 100; policy memory; elements = { fd00::1 } }',
    set: { name: 's', key: IPV6_ADDR, size: 100, policy: 'memory' },
    elements: [{ key: address('fd00::1') }],
  },
  {
    text: 'set s { type ether_addr; flags constant; elements = { 02:00:00:00:00:01 } }',
    set: { name: 's', key: ETHER_ADDR, flags: ['constant'], size: 1 },
    elements: [{ key: Uint8Array.of(2, 0, 0, 0, 0, 1) }],
  },
  {
    text: 'set s { type ifname; elements = { "eth0" } }',
    set: { name: 's', key: IFNAME },
    elements: [{ key: interfaceName('eth0') }],
  },
  {
    text: 'set s { type mark; elements = { 0x00000102 } }',
    set: { name: 's', key: MARK },
    elements: [{ key: hostU32(0x102) }],
  },
  {
    text: `set s { type ipv4_addr; flags interval; auto-merge;
      elements = { 10.0.0.0/24, 10.0.3.0-10.0.3.9 comment "ten", 10.0.3.11, 255.255.255.0/24 } }`,
    set: { name: 's', key: IPV4_ADDR, flags: ['interval'], autoMerge: true },
    elements: [
      { key: address('10.0.0.0'), keyEnd: address('10.0.0.255') },
      { key: address('10.0.3.0'), keyEnd: address('10.0.3.9'), comment: 'ten' },
      { key: address('10.0.3.11') },
      { key: address('255.255.255.0'), keyEnd: address('255.255.255.255') },
    ],
  },
  {
    text: 'set s { type inet_service; flags interval; elements = { 0-79, 8000-65535 } }',
    set: { name: 's', key: INET_SERVICE, flags: ['interval'] },
    elements: [
      { key: networkU16(0), keyEnd: networkU16(79) },
      { key: networkU16(8000), keyEnd: networkU16(65_535) },
    ],
  },
  {
    text: `set s { type ipv4_addr . inet_proto . inet_service; flags interval;
      elements = { 10.0.0.0/24 . tcp . 80-90, 10.1.0.1 . udp . 53 } }`,
    set: {
      name: 's',
      key: concat(IPV4_ADDR, INET_PROTO, INET_SERVICE),
      flags: ['interval'],
    },
    elements: [
      {
        key: concatValues(address('10.0.0.0'), Uint8Array.of(6), networkU16(80)),
        keyEnd: concatValues(address('10.0.0.255'), Uint8Array.of(6), networkU16(90)),
      },
      { key: concatValues(address('10.1.0.1'), Uint8Array.of(17), networkU16(53)) },
    ],
  },
  {
    text: `set s { type ipv4_addr; flags timeout; timeout 1h; gc-interval 10s;
      elements = { 10.0.0.1, 10.0.0.2 timeout 2h } }`,
    set: {
      name: 's',
      key: IPV4_ADDR,
      flags: ['timeout'],
      timeoutMs: 3_600_000,
      gcIntervalMs: 10_000,
    },
    elements: [{ key: address('10.0.0.1') }, { key: address('10.0.0.2'), timeoutMs: 7_200_000 }],
  },
  {
    text: `set s { type ipv4_addr; flags dynamic; counter;
      elements = { 10.0.0.1 counter packets 3 bytes 4, 10.0.0.2 counter packets 0 bytes 0 } }`,
    set: { name: 's', key: IPV4_ADDR, flags: ['dynamic'], expressions: [counter()] },
    elements: [
      { key: address('10.0.0.1'), expressions: [counter(3n, 4n)] },
      { key: address('10.0.0.2'), expressions: [counter()] },
    ],
  },
  {
    text: `set s { type ipv4_addr; flags dynamic; ct count over 5;
      elements = { 10.0.0.1 ct count over 5 } }`,
    set: { name: 's', key: IPV4_ADDR, flags: ['dynamic'], expressions: [connectionLimit(5, true)] },
    elements: [{ key: address('10.0.0.1'), expressions: [connectionLimit(5, true)] }],
  },
  {
    text: 'set s { type ipv4_addr; flags dynamic; counter; limit rate 5/second burst 5 packets; }',
    set: {
      name: 's',
      key: IPV4_ADDR,
      flags: ['dynamic'],
      expressions: [counter(), limit({ rate: 5, per: 'second', of: 'packets', burst: 5 })],
    },
    elements: [],
  },
  {
    text: 'set s { type ipv4_addr; flags dynamic; quota over 10 bytes; }',
    set: { name: 's', key: IPV4_ADDR, flags: ['dynamic'], expressions: [quota(10n, true)] },
    elements: [],
  },
  {
    text: `map s { type ipv4_addr . inet_service : ipv4_addr . inet_service;
      elements = { 10.0.0.1 . 80 : 10.0.0.2 . 8080 } }`,
    set: {
      name: 's',
      key: concat(IPV4_ADDR, INET_SERVICE),
      data: concat(IPV4_ADDR, INET_SERVICE),
    },
    elements: [
      {
        key: concatValues(address('10.0.0.1'), networkU16(80)),
        data: { value: concatValues(address('10.0.0.2'), networkU16(8080)) },
      },
    ],
  },
  {
    text: 'map s { type inet_service : mark; elements = { 80 : 0x00000001 } }',
    set: { name: 's', key: INET_SERVICE, data: MARK },
    elements: [{ key: networkU16(80), data: { value: hostU32(1) } }],
  },
  {
    text: 'map s { type classid : ipv4_addr; elements = { 1:2 : 10.0.0.1 } }',
    set: { name: 's', key: CLASSID, data: IPV4_ADDR },
    elements: [{ key: hostU32(0x10002), data: { value: address('10.0.0.1') } }],
  },
  {
    text: `map s { type ipv4_addr : verdict; flags interval;
      elements = { 10.0.0.0/8 : accept, 11.0.0.1 : jump other, * : drop } }`,
    set: { name: 's', key: IPV4_ADDR, data: VERDICT, flags: ['interval'] },
    elements: [
      {
        key: address('10.0.0.0'),
        keyEnd: address('10.255.255.255'),
        data: { verdict: ACCEPT },
      },
      { key: address('11.0.0.1'), data: { verdict: jumpTo('other') } },
      { key: new Uint8Array(), data: { verdict: DROP }, catchAll: true },
    ],
  },
  {
    text: 'map s { type ipv4_addr : counter; elements = { 10.0.0.1 : "c" } }',
    set: { name: 's', key: IPV4_ADDR, objects: 'counter' },
    elements: [{ key: address('10.0.0.1'), data: { object: 'c' } }],
  },
];

/** Elements in the order of their keys, without the time that passes while we look. */
function comparable(elements: readonly Element[]): unknown[] {
  return elements
    .map((element) => ({ ...element, expirationMs: undefined }))
    .sort((left, right) => Buffer.compare(left.key, right.key));
}

describe('a set or map, and its elements', () => {
  it.each(SET_CASES)('$text', ({ text, set, elements }) => {
    const nft = new Nft(fixture);
    using connection = NftablesConnection.open(fixture.netns);
    const around = 'chain other { }\ncounter c { }';
    nft.load(`table ip theirs {\n${around}\n${text}\n}\ntable ip ours {\n${around}\n}`);
    const ours = { family: 'ip', name: 'ours' } as const;
    const batch = new Batch(connection);
    batch.setAdd(ours, set);
    batch.elementsAdd(ours, set, elements);
    batch.commit();

    // Times count down while nft(8) looks, so those of the text are compared without what is left.
    expect(withoutExpiry(nft.table('ip', 'ours', 't'))).toEqual(
      withoutExpiry(nft.table('ip', 'theirs', 't')),
    );
    for (const name of ['ours', 'theirs']) {
      const table = { family: 'ip', name } as const;
      const info = setGet(connection, table, 's');
      expect(info).toEqual({ ...set, handle: expect.any(BigInt), anonymous: false });
      expect(setList(connection, table)).toEqual([info]);
      expect(comparable(elementList(connection, table, set))).toEqual(comparable(elements));
      for (const element of elements) {
        if (element.catchAll === true) continue;
        const found = elementGet(connection, table, set, [element.key]);
        expect(comparable(found ?? [])).toEqual(comparable([element]));
      }
    }
    nft.expectReloads();
    expect(comparable(elementList(connection, ours, set)).length).toBe(elements.length);

    const smaller = new Batch(connection);
    smaller.elementsDel(ours, set, elements);
    smaller.commit();
    expect(elementList(connection, ours, set)).toEqual([]);
  });

  it('gives an element that is not there as undefined', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const table = { family: 'ip', name: 't' } as const;
    const set = { name: 's', key: IPV4_ADDR };
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, set);
    batch.commit();
    expect(elementGet(connection, table, set, [address('10.0.0.1')])).toBeUndefined();
    expect(setGet(connection, table, 'none')).toBeUndefined();
  });

  it('finds the interval an address is in', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const table = { family: 'ip', name: 't' } as const;
    const set = { name: 's', key: IPV4_ADDR, flags: ['interval'] } as const;
    const network = { key: address('10.0.0.0'), keyEnd: address('10.0.255.255') };
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, set);
    batch.elementsAdd(table, set, [network]);
    batch.commit();
    expect(elementGet(connection, table, set, [address('10.0.3.4')])).toEqual([network]);
  });

  it('counts each element, and begins at zero again when asked', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const table = { family: 'ip', name: 't' } as const;
    const set = {
      name: 's',
      key: IPV4_ADDR,
      flags: ['dynamic'] as const,
      expressions: [counter()],
    };
    const element = { key: address('10.0.0.1'), expressions: [counter(3n, 4n)] };
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, set);
    batch.elementsAdd(table, set, [element]);
    batch.commit();
    expect(elementGet(connection, table, set, [element.key], { reset: true })).toEqual([element]);
    expect(elementList(connection, table, set)).toEqual([{ ...element, expressions: [counter()] }]);
  });
});

function withoutExpiry(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, each: unknown) => (key === 'expires' ? undefined : each)),
  );
}
