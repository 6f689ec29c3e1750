import { parseAddr } from '../../../../src/ipaddr/parse-addr.ts';
import type { Hook } from '../../../../src/netlink/nftables/chain.ts';
import type { Element } from '../../../../src/netlink/nftables/element.ts';
import type { Expression } from '../../../../src/netlink/nftables/expression/expression.ts';
import {
  loadCt,
  loadFib,
  loadHash,
  loadImmediate,
  loadIpv6HeaderPresent,
  loadMeta,
  loadNumber,
  loadPayload,
  loadRoute,
  loadSocket,
  loadSymmetricHash,
  loadTcpOption,
} from '../../../../src/netlink/nftables/expression/load.ts';
import {
  byteOrder,
  compare,
  compareRange,
  lookup,
  lookupInverted,
  lookupMap,
  lookupVerdict,
  maskXor,
  matchCtState,
  matchCtStatus,
  matchLocalDestination,
  matchTransportProtocol,
  type SetRef,
  shift,
} from '../../../../src/netlink/nftables/expression/match.ts';
import {
  destinationNat,
  masquerade,
  redirect,
  sourceNat,
  transparentProxy,
} from '../../../../src/netlink/nftables/expression/nat.ts';
import {
  connectionLimit,
  counter,
  limit,
  log,
  logToGroup,
  objectLookup,
  objectReference,
  quota,
} from '../../../../src/netlink/nftables/expression/stateful.ts';
import {
  dynset,
  notrack,
  storeCt,
  storeMeta,
  storePayload,
  storeTcpOption,
} from '../../../../src/netlink/nftables/expression/store.ts';
import {
  ACCEPT,
  DROP,
  goTo,
  jumpTo,
  RETURN,
  rejectIcmp,
  rejectIcmpx,
  rejectPort,
  rejectTcpReset,
  verdict,
} from '../../../../src/netlink/nftables/expression/verdict.ts';
import type { Family } from '../../../../src/netlink/nftables/family.ts';
import type { SetSpec } from '../../../../src/netlink/nftables/set.ts';
import {
  concat,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  MARK,
  VERDICT,
} from '../../../../src/netlink/nftables/types.ts';
import {
  concatValues,
  hostU16,
  hostU32,
  interfaceName,
  interfacePrefix,
  networkU16,
} from '../../../../src/netlink/nftables/value.ts';

/** Makes a set without a name for the rule and gives what a lookup refers to it by. */
export type Anonymous = (set: Omit<SetSpec, 'name'>, elements: readonly Element[]) => SetRef;

/** A rule in nft(8)'s words and in ours. */
export interface RuleCase {
  readonly family: Family;
  readonly hook: Hook | undefined;
  readonly text: string;
  readonly expressions: (anonymous: Anonymous) => readonly Expression[];
}

/** What the rules refer to; nft(8) makes it in every table. */
export const SURROUNDINGS: Readonly<Partial<Record<Family, string>>> = {
  ip: `
  set seen { type ipv4_addr; flags dynamic, timeout; timeout 1m; }
  map clients { type ipv4_addr : inet_service; flags dynamic, timeout; timeout 1m; }
  map ports { type ipv4_addr : inet_service; }
  map verdicts { type ipv4_addr : verdict; }
  map counters { type ipv4_addr : counter; }
  set networks { type ipv4_addr; flags interval; }
  counter c1 { }
  quota q1 { 10 mbytes }
  limit l1 { rate 10/second }
  ct helper h1 { type "ftp" protocol tcp; l3proto ip; }
  chain other { }`,
};

const address = (text: string): Uint8Array => parseAddr(text).toBytes();
const source = (word = 0): Expression => loadPayload('network', 12, 4, word);
const destination = (word = 0): Expression => loadPayload('network', 16, 4, word);
const tcp = matchTransportProtocol(6, 0);
const port = (word = 0): Expression => loadPayload('transport', 2, 2, word);
const toPort = (number: number): Expression[] => [
  ...tcp,
  port(),
  compare('==', networkU16(number), 0),
];
const zero = hostU32(0);
const accept = verdict(ACCEPT);
const drop = verdict(DROP);

/** Offset of the checksum in the header of TCP (RFC 9293 section 3.1). */
const TCP_CHECKSUM = { offset: 16 };

function group(
  family: Family,
  hook: Hook | undefined,
  rules: Readonly<
    Record<string, readonly Expression[] | ((anonymous: Anonymous) => readonly Expression[])>
  >,
): RuleCase[] {
  return Object.entries(rules).map(([text, rule]) => ({
    family,
    hook,
    text,
    expressions: typeof rule === 'function' ? rule : () => rule,
  }));
}

export const RULE_CASES: readonly RuleCase[] = [
  ...group('ip', undefined, {
    'ip saddr 10.0.0.1 ip daddr != 10.0.0.0/8 tcp dport 80 accept': [
      source(),
      compare('==', address('10.0.0.1'), 0),
      loadPayload('network', 16, 1, 0),
      compare('!=', Uint8Array.of(10), 0),
      ...toPort(80),
      accept,
    ],
    'ip daddr & 0.0.0.255 < 0.0.0.16 accept': [
      destination(),
      maskXor(address('0.0.0.255'), zero, 0),
      compare('<', address('0.0.0.16'), 0),
      accept,
    ],
    'tcp dport 80-90 drop': [
      ...tcp,
      port(),
      compare('>=', networkU16(80), 0),
      compare('<=', networkU16(90), 0),
      drop,
    ],
    'tcp dport != 80-90 return': [
      ...tcp,
      port(),
      compareRange('!=', networkU16(80), networkU16(90), 0),
      verdict(RETURN),
    ],
    'tcp dport { 80, 443 } counter jump other': (anonymous) => [
      ...tcp,
      port(),
      lookup(
        anonymous({ key: INET_SERVICE, size: 2 }, [
          { key: networkU16(80) },
          { key: networkU16(443) },
        ]),
        0,
      ),
      counter(),
      verdict(jumpTo('other')),
    ],
    'ip saddr @networks drop': [source(), lookup('networks', 0), drop],
    'ip saddr != @networks drop': [source(), lookupInverted('networks', 0), drop],
    'iifname "eth0" oifname "veth*" goto other': [
      loadMeta('iifname', 0),
      compare('==', interfaceName('eth0'), 0),
      loadMeta('oifname', 0),
      compare('==', interfacePrefix('veth'), 0),
      verdict(goTo('other')),
    ],
    'iif "lo" meta mark set 0x00004000': [
      loadMeta('iif', 0),
      compare('==', hostU32(1), 0),
      loadImmediate(hostU32(0x4000), 0),
      storeMeta('mark', 0),
    ],
    'meta mark set meta mark | 0x00004000': [
      loadMeta('mark', 0),
      maskXor(hostU32(0xffffbfff), hostU32(0x4000), 0),
      storeMeta('mark', 0),
    ],
    'meta mark & 0x00004000 == 0x00004000 ct mark set meta mark': [
      loadMeta('mark', 0),
      maskXor(hostU32(0x4000), zero, 0),
      compare('==', hostU32(0x4000), 0),
      loadMeta('mark', 0),
      storeCt('mark', 0),
    ],
    'ct mark & 0x00000001 != 0x00000000 meta mark set ct mark': [
      loadCt('mark', 0),
      maskXor(hostU32(1), zero, 0),
      compare('!=', zero, 0),
      loadCt('mark', 0),
      storeMeta('mark', 0),
    ],
    'meta mark set meta mark << 4': [loadMeta('mark', 0), shift('<<', 4, 0), storeMeta('mark', 0)],
    'meta mark set meta mark >> 16': [
      loadMeta('mark', 0),
      shift('>>', 16, 0),
      storeMeta('mark', 0),
    ],
    'ct state established,related accept': [...matchCtState(['established', 'related'], 0), accept],
    'ct state invalid drop': [...matchCtState(['invalid'], 0), drop],
    'ct status dnat accept': [...matchCtStatus('dnat', 0), accept],
    'ct direction reply ct original ip saddr 10.1.1.1 accept': [
      loadCt('direction', 0),
      compare('==', Uint8Array.of(1), 0),
      loadCt('srcIp', 0, 'original'),
      compare('==', address('10.1.1.1'), 0),
      accept,
    ],
    'tcp dport 1 ct original proto-dst 80 accept': [
      ...toPort(1),
      loadCt('protoDst', 0, 'original'),
      compare('==', networkU16(80), 0),
      accept,
    ],
    'ct zone 5 accept': [loadCt('zone', 0), compare('==', hostU16(5), 0), accept],
    'fib daddr type local accept': [...matchLocalDestination(0), accept],
    'fib saddr . iif oif missing drop': [
      loadFib('oif', ['saddr', 'iif', 'present'], 0),
      compare('==', zero, 0),
      drop,
    ],
    'ip daddr vmap @verdicts': [destination(), lookupVerdict('verdicts', 0)],
    'tcp dport set ip saddr map @ports': [
      ...tcp,
      source(),
      lookupMap('ports', 0, 0),
      storePayload('transport', 2, 2, 0, TCP_CHECKSUM),
    ],
    'ip daddr set 10.9.9.9': [
      loadImmediate(address('10.9.9.9'), 0),
      storePayload('network', 16, 4, 0, { offset: 10, pseudoHeader: true }),
    ],
    'add @seen { ip saddr }': [source(), dynset({ operation: 'add', set: 'seen', keyWord: 0 })],
    'delete @seen { ip saddr }': [
      source(),
      dynset({ operation: 'delete', set: 'seen', keyWord: 0 }),
    ],
    'update @seen { ip saddr timeout 30s limit rate 5/second burst 5 packets }': [
      source(),
      dynset({
        operation: 'update',
        set: 'seen',
        keyWord: 0,
        timeoutMs: 30_000,
        expressions: [limit({ rate: 5, per: 'second', of: 'packets', burst: 5 })],
      }),
    ],
    'update @seen { ip saddr counter limit rate 5/second burst 5 packets }': [
      source(),
      dynset({
        operation: 'update',
        set: 'seen',
        keyWord: 0,
        expressions: [counter(), limit({ rate: 5, per: 'second', of: 'packets', burst: 5 })],
      }),
    ],
    'tcp dport 1 update @clients { ip saddr : tcp sport }': [
      ...toPort(1),
      source(),
      loadPayload('transport', 0, 2, 4),
      dynset({ operation: 'update', set: 'clients', keyWord: 0, dataWord: 4 }),
    ],
    'limit rate over 10/second burst 20 packets drop': [
      limit({ rate: 10, per: 'second', of: 'packets', burst: 20, over: true }),
      drop,
    ],
    'limit rate 1 mbytes/minute burst 4096 bytes accept': [
      limit({ rate: 1 << 20, per: 'minute', of: 'bytes', burst: 4096 }),
      accept,
    ],
    'quota over 25 mbytes drop': [quota(25n << 20n, true), drop],
    'ct count 10 accept': [connectionLimit(10), accept],
    'ct count over 20 drop': [connectionLimit(20, true), drop],
    'log prefix "x: " level info': [log(6, 'x: ')],
    'log prefix "y" group 5 snaplen 64': [logToGroup(5, 64, 'y')],
    'counter name "c1"': [objectReference('counter', 'c1')],
    'quota name "q1"': [objectReference('quota', 'q1')],
    'limit name "l1"': [objectReference('limit', 'l1')],
    'ct helper set "h1"': [objectReference('ct helper', 'h1')],
    'counter name ip saddr map @counters': [source(), objectLookup('counters', 0)],
    'tcp flags syn tcp option maxseg size set rt mtu': [
      ...tcp,
      loadPayload('transport', 13, 1, 0),
      maskXor(Uint8Array.of(2), Uint8Array.of(0), 0),
      compare('!=', Uint8Array.of(0), 0),
      loadRoute('mtu', 0),
      byteOrder('toNetwork', 2, 2, 0),
      storeTcpOption(2, 2, 2, 0),
    ],
    'tcp option maxseg size 1460': [loadTcpOption(2, 2, 2, 0), compare('==', networkU16(1460), 0)],
    'reject with tcp reset': [...tcp, rejectTcpReset()],
    'reject with icmp admin-prohibited': [rejectIcmp(13)],
    'reject with icmp port-unreachable': [rejectPort('ip')],
    'meta nftrace set 1': [loadImmediate(Uint8Array.of(1), 0), storeMeta('nftrace', 0)],
    'meta priority set 1:2': [loadImmediate(hostU32(0x10002), 0), storeMeta('priority', 0)],
    'numgen random mod 4 offset 2 vmap { 2 : accept, 3 : drop, 4 : return, 5 : goto other }': (
      anonymous,
    ) => [
      loadNumber('random', 4, 0, 2),
      lookupVerdict(
        anonymous({ key: { ...MARK, id: 4, name: 'type 4' }, data: VERDICT, size: 4 }, [
          { key: hostU32(2), data: { verdict: ACCEPT } },
          { key: hostU32(3), data: { verdict: DROP } },
          { key: hostU32(4), data: { verdict: RETURN } },
          { key: hostU32(5), data: { verdict: goTo('other') } },
        ]),
        0,
      ),
    ],
    'meta mark set numgen inc mod 4': [loadNumber('inc', 4, 0), storeMeta('mark', 0)],
    'meta mark set jhash ip saddr . ip daddr mod 8 seed 0x1234': [
      source(4),
      destination(5),
      loadHash({ fromWord: 4, lengthBytes: 8, modulus: 8, seed: 0x1234 }, 0),
      storeMeta('mark', 0),
    ],
    'meta mark set symhash mod 2': [loadSymmetricHash(2, 0), storeMeta('mark', 0)],
    'socket transparent 1 accept': [
      loadSocket('transparent', 0),
      compare('==', Uint8Array.of(1), 0),
      accept,
    ],
    'meta skuid 1000 accept': [loadMeta('skuid', 0), compare('==', hostU32(1000), 0), accept],
    'meta l4proto . th dport { 6 . 80, 17 . 53 } accept': (anonymous) => [
      loadMeta('l4proto', 0),
      port(1),
      lookup(
        anonymous({ key: concat(INET_PROTO, INET_SERVICE), size: 2 }, [
          { key: concatValues(Uint8Array.of(6), networkU16(80)) },
          { key: concatValues(Uint8Array.of(17), networkU16(53)) },
        ]),
        0,
      ),
      accept,
    ],
  }),
  ...group(
    'ip',
    { type: 'nat', hook: 'prerouting', priority: -100 },
    {
      'dnat to 10.0.0.5': [
        loadImmediate(address('10.0.0.5'), 0),
        destinationNat({ family: 'ip', addressWord: 0 }),
      ],
      'tcp dport 1 dnat to 10.0.0.5:8080': [
        ...toPort(1),
        loadImmediate(address('10.0.0.5'), 0),
        loadImmediate(networkU16(8080), 4),
        destinationNat({ family: 'ip', addressWord: 0, portWord: 4 }),
      ],
      'dnat to 10.0.0.5-10.0.0.9 random': [
        loadImmediate(address('10.0.0.5'), 0),
        loadImmediate(address('10.0.0.9'), 4),
        destinationNat({ family: 'ip', addressWord: 0, addressMaxWord: 4, flags: ['random'] }),
      ],
      'tcp dport 1 dnat to 10.0.0.5:8000-8010 persistent': [
        ...toPort(1),
        loadImmediate(address('10.0.0.5'), 0),
        loadImmediate(networkU16(8000), 4),
        loadImmediate(networkU16(8010), 8),
        destinationNat({
          family: 'ip',
          addressWord: 0,
          portWord: 4,
          portMaxWord: 8,
          flags: ['persistent'],
        }),
      ],
      'dnat ip to ip daddr . tcp dport map { 1.1.1.1 . 80 : 10.0.0.1 . 8080 }': (anonymous) => [
        ...tcp,
        destination(),
        port(1),
        lookupMap(
          anonymous(
            {
              key: concat(IPV4_ADDR, INET_SERVICE),
              data: concat(IPV4_ADDR, INET_SERVICE),
              size: 1,
            },
            [
              {
                key: concatValues(address('1.1.1.1'), networkU16(80)),
                data: { value: concatValues(address('10.0.0.1'), networkU16(8080)) },
              },
            ],
          ),
          0,
          0,
        ),
        destinationNat({ family: 'ip', addressWord: 0, portWord: 1 }),
      ],
      redirect: [redirect()],
      'tcp dport 1 redirect to :8080-8090 fully-random': [
        ...toPort(1),
        loadImmediate(networkU16(8080), 0),
        loadImmediate(networkU16(8090), 4),
        redirect({ portWord: 0, portMaxWord: 4, flags: ['fully-random'] }),
      ],
    },
  ),
  ...group(
    'ip',
    { type: 'nat', hook: 'postrouting', priority: 100 },
    {
      'tcp dport 1 snat to 192.0.2.1:1024-65535 fully-random,persistent': [
        ...toPort(1),
        loadImmediate(address('192.0.2.1'), 0),
        loadImmediate(networkU16(1024), 4),
        loadImmediate(networkU16(65_535), 8),
        sourceNat({
          family: 'ip',
          addressWord: 0,
          portWord: 4,
          portMaxWord: 8,
          flags: ['fully-random', 'persistent'],
        }),
      ],
      masquerade: [masquerade()],
      'tcp dport 1 masquerade to :1024-65535 random': [
        ...toPort(1),
        loadImmediate(networkU16(1024), 0),
        loadImmediate(networkU16(65_535), 4),
        masquerade({ portWord: 0, portMaxWord: 4, flags: ['random'] }),
      ],
    },
  ),
  ...group(
    'ip',
    { type: 'filter', hook: 'prerouting', priority: -300 },
    {
      notrack: [notrack()],
      'ct zone set 5': [loadImmediate(hostU16(5), 0), storeCt('zone', 0)],
      'tcp dport 1 tproxy to 127.0.0.1:8080': [
        ...toPort(1),
        loadImmediate(address('127.0.0.1'), 0),
        loadImmediate(networkU16(8080), 4),
        transparentProxy('ip', { addressWord: 0, portWord: 4 }),
      ],
    },
  ),
  ...group('ip6', undefined, {
    'ip6 saddr fd00::1 reject with icmpv6 port-unreachable': [
      loadPayload('network', 8, 16, 0),
      compare('==', address('fd00::1'), 0),
      rejectPort('ip6'),
    ],
    'exthdr frag exists drop': [
      loadIpv6HeaderPresent(44, 0),
      compare('==', Uint8Array.of(1), 0),
      drop,
    ],
  }),
  ...group(
    'ip6',
    { type: 'nat', hook: 'prerouting', priority: -100 },
    {
      'tcp dport 1 dnat to [fd00::1]:80': [
        ...toPort(1),
        loadImmediate(address('fd00::1'), 0),
        loadImmediate(networkU16(80), 4),
        destinationNat({ family: 'ip6', addressWord: 0, portWord: 4 }),
      ],
    },
  ),
  ...group('inet', undefined, {
    'ip saddr 10.0.0.1 accept': [
      loadMeta('nfproto', 0),
      compare('==', Uint8Array.of(2), 0),
      source(),
      compare('==', address('10.0.0.1'), 0),
      accept,
    ],
    'reject with icmpx port-unreachable': [rejectIcmpx('port-unreachable')],
  }),
  ...group(
    'inet',
    { type: 'nat', hook: 'prerouting', priority: -100 },
    {
      'tcp dport 1 dnat ip to 10.0.0.1:80': [
        ...toPort(1),
        loadImmediate(address('10.0.0.1'), 0),
        loadImmediate(networkU16(80), 4),
        destinationNat({ family: 'ip', addressWord: 0, portWord: 4 }),
      ],
    },
  ),
  ...group(
    'bridge',
    { type: 'filter', hook: 'prerouting', priority: -300 },
    {
      'iifname "veth0" ether saddr != 02:00:00:00:00:01 drop': [
        loadMeta('iifname', 0),
        compare('==', interfaceName('veth0'), 0),
        loadPayload('link', 6, 6, 0),
        compare('!=', Uint8Array.of(2, 0, 0, 0, 0, 1), 0),
        drop,
      ],
    },
  ),
  ...group(
    'netdev',
    { type: 'filter', hook: 'ingress', priority: 0, devices: ['lo'] },
    {
      'ether type arp drop': [
        loadMeta('iiftype', 0),
        compare('==', hostU16(1), 0),
        loadPayload('link', 12, 2, 0),
        compare('==', networkU16(0x0806), 0),
        drop,
      ],
    },
  ),
];
