import { isDeepStrictEqual } from 'node:util';
import { MULTICAST } from '../../ipaddr/multicast.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { type ChainSpec, PRIORITY } from '../../netlink/nftables/chain.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { masquerade } from '../../netlink/nftables/expression/nat.ts';
import { matchNfproto, matchPrefix } from '../../netlink/nftables/expression/network.ts';
import { goTo, RETURN, verdict } from '../../netlink/nftables/expression/verdict.ts';
import type { TableSpec } from '../../netlink/nftables/table.ts';

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

/** The rules of `postrouting`. */
export const POSTROUTING_RULES: readonly (readonly Expression[])[] = [
  ...([4, 6] as const).map((family) => [
    ...matchNfproto(family, 0),
    ...matchPrefix('destination', '==', MULTICAST[family], 0),
    verdict(RETURN),
  ]),
  [verdict(goTo(CHECKS.name))],
];

/** The rule of an address: masqueraded outside its own network. */
export function addressRule(address: Prefix): Expression[] {
  const { addr } = address;
  return [
    ...matchNfproto(addr.family, 0),
    ...matchPrefix('source', '==', Prefix.of(addr, addr.bits), 0),
    ...matchPrefix('destination', '!=', address.masked(), 0),
    masquerade(),
  ];
}

/** Whether two rules do the same. */
export function sameRule(a: readonly Expression[], b: readonly Expression[]): boolean {
  return isDeepStrictEqual(a, b);
}
