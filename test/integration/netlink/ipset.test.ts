import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { Prefix } from '../../../src/ipaddr/prefix.ts';
import {
  entriesAdd,
  entriesDel,
  entryAdd,
  entryDel,
  entryTest,
  IpsetConnection,
  ipsetCreate,
  ipsetDestroy,
  ipsetFlush,
  ipsetList,
  ipsetRename,
  ipsetSwap,
} from '../../../src/netlink/ipset/connection.ts';
import type { Entry } from '../../../src/netlink/ipset/entry.ts';
import { IpsetError } from '../../../src/netlink/ipset/error.ts';
import type { IpsetSpec } from '../../../src/netlink/ipset/set.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('ipset');
const address = parseAddr;
const network = (text: string, bits: number): Prefix => Prefix.of(parseAddr(text), bits);

/** A set in ipset(8)'s words and in ours. */
interface SetCase {
  readonly create: string;
  readonly set: Omit<IpsetSpec, 'name'>;
  /** Entries by what ipset(8) calls them. */
  readonly entries: Readonly<Record<string, Entry>>;
  /** Ones that are not in it. */
  readonly absent: Entry;
}

const defaults = { hashSize: 1024, entriesMax: 65_536 };

const CASES: readonly SetCase[] = [
  {
    create: 'hash:ip',
    set: { type: 'hash:ip', family: 4, ...defaults },
    entries: {
      '10.0.0.1': { address: address('10.0.0.1') },
      '10.0.0.2': { address: address('10.0.0.2') },
    },
    absent: { address: address('10.0.0.3') },
  },
  {
    create: 'hash:ip family inet6 hashsize 64 maxelem 100 timeout 0 counters comment',
    set: {
      type: 'hash:ip',
      family: 6,
      hashSize: 64,
      entriesMax: 100,
      timeoutSeconds: 0,
      flags: ['counters', 'comment'],
    },
    entries: {
      'fd00::1 timeout 1000 packets 3 bytes 4 comment "one of two"': {
        address: address('fd00::1'),
        timeoutSeconds: 1000,
        counters: { packets: 3n, bytes: 4n },
        comment: 'one of two',
      },
      'fd00::2': {
        address: address('fd00::2'),
        timeoutSeconds: 0,
        counters: { packets: 0n, bytes: 0n },
      },
    },
    absent: { address: address('fd00::3') },
  },
  {
    create: 'hash:net family inet forceadd',
    set: { type: 'hash:net', family: 4, ...defaults, flags: ['forceadd'] },
    entries: {
      '10.0.0.0/8': { network: network('10.0.0.0', 8) },
      '192.0.2.1': { network: network('192.0.2.1', 32) },
      '10.1.0.0/16 nomatch': { network: network('10.1.0.0', 16), noMatch: true },
    },
    absent: { network: network('11.0.0.0', 8) },
  },
  {
    create: 'hash:net family inet6',
    set: { type: 'hash:net', family: 6, ...defaults },
    entries: { 'fd00::/64': { network: network('fd00::', 64) } },
    absent: { network: network('fd01::', 64) },
  },
  {
    create: 'hash:ip,port',
    set: { type: 'hash:ip,port', family: 4, ...defaults },
    entries: {
      '10.0.0.1,tcp:80': { address: address('10.0.0.1'), protocol: 6, port: 80 },
      '10.0.0.1,udp:53': { address: address('10.0.0.1'), protocol: 17, port: 53 },
      '10.0.0.1,sctp:7': { address: address('10.0.0.1'), protocol: 132, port: 7 },
    },
    absent: { address: address('10.0.0.1'), protocol: 6, port: 53 },
  },
  {
    create: 'hash:ip,port,ip family inet6',
    set: { type: 'hash:ip,port,ip', family: 6, ...defaults },
    entries: {
      'fd00::1,tcp:80,fd00::2': {
        address: address('fd00::1'),
        protocol: 6,
        port: 80,
        secondAddress: address('fd00::2'),
      },
    },
    absent: {
      address: address('fd00::1'),
      protocol: 6,
      port: 80,
      secondAddress: address('fd00::3'),
    },
  },
  {
    create: 'hash:ip,port,net',
    set: { type: 'hash:ip,port,net', family: 4, ...defaults },
    entries: {
      '10.0.0.1,tcp:80,10.0.0.0/24': {
        address: address('10.0.0.1'),
        protocol: 6,
        port: 80,
        network: network('10.0.0.0', 24),
      },
      '10.0.0.1,tcp:81,10.0.0.1': {
        address: address('10.0.0.1'),
        protocol: 6,
        port: 81,
        network: network('10.0.0.1', 32),
      },
    },
    absent: {
      address: address('10.0.0.1'),
      protocol: 6,
      port: 80,
      network: network('10.1.0.0', 24),
    },
  },
  {
    create: 'bitmap:port range 30000-32767 timeout 500',
    set: { type: 'bitmap:port', ports: [30_000, 32_767], timeoutSeconds: 500 },
    entries: {
      '30000 timeout 300': { port: 30_000, timeoutSeconds: 300 },
      '32767 timeout 400': { port: 32_767, timeoutSeconds: 400 },
    },
    absent: { port: 30_001 },
  },
  {
    create: 'list:set size 4',
    set: { type: 'list:set', entriesMax: 4 },
    entries: { other: { set: 'other' } },
    absent: { set: 'another' },
  },
];

/** What ipset(8) saves, without what it draws at random and what time changes. */
function saved(): string {
  return fixture
    .exec('ipset', 'save', 's')
    .replace(/ initval \S+/, '')
    .split('\n')
    .map((line) =>
      line.startsWith('add') ? line.replace(/ timeout [1-9]\d*/, ' timeout N') : line,
    )
    .sort()
    .join('\n');
}

/** Entries in one order, without the time that passes while we look. */
function comparable(entries: readonly Entry[]): Entry[] {
  return entries
    .map((entry) => {
      const { timeoutSeconds = 0 } = entry;
      return timeoutSeconds === 0 ? entry : { ...entry, timeoutSeconds: 1 };
    })
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

function keyOf({
  address: first,
  network: net,
  secondAddress,
  protocol,
  port,
  set,
}: Entry): string {
  return [first, net, protocol, port, secondAddress, set].join(' ');
}

describe('a set', () => {
  it.each(CASES)('$create', ({ create, set, entries, absent }) => {
    using connection = IpsetConnection.open(fixture.netns);
    for (const name of ['other', 'another']) fixture.exec('ipset', 'create', name, 'hash:ip');
    fixture.exec('ipset', 'create', 's', ...create.split(' '));
    for (const text of Object.keys(entries)) {
      fixture.execInput(`add s ${text}\n`, 'ipset', 'restore');
    }
    const theirs = saved();
    const wanted = Object.values(entries);
    const expected = { name: 's', ...set, revision: expect.any(Number), references: 0 };
    const check = (): void => {
      const [listed, ...others] = ipsetList(connection, 's');
      expect(others).toEqual([]);
      expect({ ...listed, entries: [] }).toEqual({ ...expected, entries: [] });
      expect(comparable(listed?.entries ?? [])).toEqual(comparable(wanted));
    };
    check();
    expect(ipsetDestroy(connection, 's')).toBe(true);
    expect(ipsetDestroy(connection, 's')).toBe(false);

    const ours = { name: 's', ...set };
    expect(ipsetCreate(connection, ours)).toBe(true);
    expect(ipsetCreate(connection, ours)).toBe(false);
    for (const entry of wanted) {
      expect(entryAdd(connection, ours, entry)).toBe(true);
      expect(entryAdd(connection, ours, entry)).toBe(false);
    }
    expect(saved()).toBe(theirs);
    check();

    for (const entry of wanted) {
      expect(entryTest(connection, ours, entry)).toBe(true);
    }
    expect(entryTest(connection, ours, absent)).toBe(false);
    expect(entryDel(connection, ours, absent)).toBe(false);
    for (const entry of wanted) expect(entryDel(connection, ours, entry)).toBe(true);
    expect(ipsetList(connection, 's')[0]?.entries).toEqual([]);

    entriesAdd(connection, ours, wanted);
    entriesAdd(connection, ours, wanted);
    expect(saved()).toBe(theirs);
    entriesDel(connection, ours, wanted);
    entriesDel(connection, ours, wanted);
    expect(ipsetList(connection, 's')[0]?.entries).toEqual([]);
    expect(ipsetList(connection)).toHaveLength(3);
  });

  it('of networks says whether an address is in one of them, and not in an exception', () => {
    using connection = IpsetConnection.open(fixture.netns);
    const set = { name: 's', type: 'hash:net', family: 4 } as const;
    ipsetCreate(connection, set);
    entriesAdd(connection, set, [
      { network: network('10.0.0.0', 8) },
      { network: network('10.1.0.0', 16), noMatch: true },
    ]);
    expect(entryTest(connection, set, { network: network('10.2.0.1', 32) })).toBe(true);
    expect(entryTest(connection, set, { network: network('10.1.0.1', 32) })).toBe(false);
    expect(entryTest(connection, set, { network: network('11.0.0.1', 32) })).toBe(false);
  });

  it('holds more entries than one message, listed in more than one', () => {
    using connection = IpsetConnection.open(fixture.netns);
    const set = { name: 's', type: 'hash:ip', family: 4 } as const;
    ipsetCreate(connection, set);
    const entries = Array.from({ length: 10_000 }, (_, index) => ({
      address: address(`10.0.${index >> 8}.${index & 255}`),
    }));
    entriesAdd(connection, set, entries);
    expect(fixture.exec('ipset', 'list', '-t', 's')).toContain('Number of entries: 10000');
    const [listed] = ipsetList(connection);
    expect(new Set(listed?.entries.map((entry) => `${entry.address}`)).size).toBe(10_000);
    expect(ipsetFlush(connection, 's')).toBe(true);
    expect(ipsetFlush(connection, 'none')).toBe(false);
    expect(ipsetList(connection)[0]?.entries).toEqual([]);
    expect(ipsetList(connection, 'none')).toEqual([]);
  });

  it('is replaced whole by a swap, and keeps its entries through a rename', () => {
    using connection = IpsetConnection.open(fixture.netns);
    const spec = { type: 'hash:ip', family: 4 } as const;
    for (const name of ['new', 'live']) {
      ipsetCreate(connection, { ...spec, name });
      entryAdd(
        connection,
        { ...spec, name },
        {
          address: address(name === 'new' ? '10.0.0.1' : '10.0.0.2'),
        },
      );
    }
    ipsetSwap(connection, 'new', 'live');
    const addresses = (name: string) =>
      ipsetList(connection, name).flatMap((set) => set.entries.map((entry) => `${entry.address}`));
    expect(addresses('live')).toEqual(['10.0.0.1']);
    ipsetRename(connection, 'new', 'old');
    expect(addresses('old')).toEqual(['10.0.0.2']);
    expect(addresses('new')).toEqual([]);
    expect(fixture.exec('ipset', 'list', '-n').trim().split('\n').sort()).toEqual(['live', 'old']);
  });

  it('speaks the version of the protocol that ipset(8) says the kernel has', () => {
    using connection = IpsetConnection.open(fixture.netns);
    const text = fixture.exec('ipset', 'version');
    expect(text).toContain(`protocol version: ${connection.protocol}`);
  });
});

describe('an error', () => {
  const spec = { name: 's', type: 'hash:ip', family: 4, entriesMax: 2 } as const;

  it.each([
    [
      'a full hash',
      spec,
      [1, 2, 3].map((last) => ({ address: address(`10.0.0.${last}`) })),
      'add entry 2 of set s: IPSET_ERR_HASH_FULL',
    ],
    [
      'the address of another family',
      spec,
      [{ address: address('fd00::1') }],
      'add entry 0 of set s: IPSET_ERR_PROTOCOL',
    ],
    [
      'a port outside of the range',
      { name: 's', type: 'bitmap:port', ports: [10, 20] },
      [{ port: 21 }],
      'add entry 0 of set s: IPSET_ERR_BITMAP_RANGE',
    ],
    [
      'a list of a set that is not there',
      { name: 's', type: 'list:set' },
      [{ set: 'none' }],
      'add entry 0 of set s: IPSET_ERR_NAME',
    ],
    [
      'a comment in a set without them',
      spec,
      [{ address: address('10.0.0.1'), comment: 'x' }],
      'add entry 0 of set s: IPSET_ERR_COMMENT',
    ],
    [
      'a timeout in a set without them',
      spec,
      [{ address: address('10.0.0.1'), timeoutSeconds: 1 }],
      'add entry 0 of set s: IPSET_ERR_TIMEOUT',
    ],
  ] as const)('names %s', (_, set, entries, message) => {
    using connection = IpsetConnection.open(fixture.netns);
    ipsetCreate(connection, set);
    expect(() => entriesAdd(connection, set, entries)).toThrow(message);
    expect(() => entriesAdd(connection, set, entries)).toThrow(IpsetError);
  });

  it('names what is about sets', () => {
    using connection = IpsetConnection.open(fixture.netns);
    ipsetCreate(connection, spec);
    const list = { name: 'l', type: 'list:set' } as const;
    ipsetCreate(connection, list);
    entryAdd(connection, list, { set: 's' });
    expect(ipsetList(connection, 's')[0]?.references).toBe(1);
    expect(() => ipsetDestroy(connection, 's')).toThrow('destroy set s: IPSET_ERR_BUSY');
    expect(() => ipsetSwap(connection, 's', 'none')).toThrow(
      'swap sets s and none: IPSET_ERR_EXIST_SETNAME2',
    );
    expect(() => ipsetSwap(connection, 's', 'l')).toThrow('IPSET_ERR_TYPE_MISMATCH');
    expect(() => ipsetRename(connection, 's', 'l')).toThrow(/rename set s to l: IPSET_ERR_/);
  });

  it('says which field a set or an entry of its type has to have', () => {
    using connection = IpsetConnection.open(fixture.netns);
    expect(() => ipsetCreate(connection, { name: 's', type: 'hash:ip' })).toThrow(
      'set s: family is missing, expected one for type hash:ip',
    );
    expect(() => ipsetCreate(connection, { name: 's', type: 'list:set', ports: [1, 2] })).toThrow(
      'set s: ports is given, expected none for type list:set',
    );
    const set = { name: 's', type: 'hash:ip,port' } as const;
    expect(() => entryAdd(connection, set, { address: address('10.0.0.1'), port: 1 })).toThrow(
      "set s: entry's protocol is missing, expected address, protocol, port",
    );
    expect(() => entryAdd(connection, spec, { address: address('10.0.0.1'), port: 1 })).toThrow(
      "set s: entry's port is given, expected address",
    );
  });
});
