import { isDeepStrictEqual } from 'node:util';
import type { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { type ChainSpec, PRIORITY } from '../../netlink/nftables/chain.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { compare, maskXor } from '../../netlink/nftables/expression/match.ts';
import { masquerade } from '../../netlink/nftables/expression/nat.ts';
import { goTo, RETURN, verdict } from '../../netlink/nftables/expression/verdict.ts';
import { NFPROTO } from '../../netlink/nftables/family.ts';
import type { TableSpec } from '../../netlink/nftables/table.ts';
import { MULTICAST } from './multicast.ts';

/*
 * The table of the reference plugins, rule for rule, so that either side finds what the other made:
 *
 *   postrouting:  ip daddr 224.0.0.0/4 return, ip6 daddr ff00::/8 return, goto masq_checks
 *   masq_checks:  ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "<hash>-<hash>, ..."
 */

export const TABLE: TableSpec = {
  family: 'inet',
  name: 'cni_plugins_masquerade',
  comment: 'Masquerading for plugins from github.com/containernetworking/plugins',
};

/** The chain with a rule for each address. */
export const CHECKS: ChainSpec = {
  name: 'masq_checks',
  comment: 'Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet',
};

export const POSTROUTING: ChainSpec = {
  name: 'postrouting',
  hook: { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
};

/** Where an address is in a packet's header. */
const OFFSET = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** The rules of `postrouting`. */
export const POSTROUTING_RULES: readonly (readonly Expression[])[] = [
  ...([4, 6] as const).map((family) => [
    ...matchFamily(family),
    ...matchDestination('==', MULTICAST[family]),
    verdict(RETURN),
  ]),
  [verdict(goTo(CHECKS.name))],
];

/** The rule of an address: masqueraded outside its own network. */
export function addressRule(address: Prefix): Expression[] {
  const { addr } = address;
  return [
    ...matchFamily(addr.family),
    ...matchSource(addr),
    ...matchDestination('!=', address.masked()),
    masquerade(),
  ];
}

/** Whether two rules do the same. */
export function sameRule(a: readonly Expression[], b: readonly Expression[]): boolean {
  return isDeepStrictEqual(a, b);
}

function matchFamily(family: 4 | 6): Expression[] {
  const number = family === 4 ? NFPROTO.ip : NFPROTO.ip6;
  return [loadMeta('nfproto', 0), compare('==', Uint8Array.of(number), 0)];
}

function matchSource(addr: Addr): Expression[] {
  const bytes = addr.toBytes();
  const load = loadPayload('network', OFFSET[addr.family].source, bytes.length, 0);
  return [load, compare('==', bytes, 0)];
}

/** As nft(8) does it: whole octets are compared alone, a part of one under a mask. */
function matchDestination(operator: '==' | '!=', network: Prefix): Expression[] {
  const { addr, bits } = network;
  const whole = bits % 8 === 0 && bits > 0;
  const bytes = whole ? addr.toBytes().subarray(0, bits / 8) : addr.toBytes();
  return [
    loadPayload('network', OFFSET[addr.family].destination, bytes.length, 0),
    ...(whole ? [] : [maskXor(maskOf(network), new Uint8Array(bytes.length), 0)]),
    compare(operator, bytes, 0),
  ];
}

/** The bits that are the same in the network's first and last address. */
function maskOf({ addr, bits }: Prefix): Uint8Array {
  const first = addr.toBytes();
  const last = Prefix.of(addr, bits).last().toBytes();
  return first.map((octet, index) => ~(octet ^ (last[index] ?? 0)));
}
