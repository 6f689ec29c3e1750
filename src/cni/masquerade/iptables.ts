import { MULTICAST } from '../../ipaddr/multicast.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { mayHoldChain } from '../../iptables/detect.ts';
import { quoted, type SavedRule, type SavedTable } from '../../iptables/save.ts';
import { sha512 } from '../../sys/digest.ts';
import { checkInstalled, readNat, restoreNat } from '../iptables/program.ts';
import type { Owner } from '../pod-interface/owner.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { MasqueradeBackend } from './backend.ts';

/*
 * The chains of the reference plugins in the table nat, so that either side finds what the other made:
 *
 *   POSTROUTING -s <address> -> CNI-<hash>: -d <own network> ACCEPT, ! -d <multicast> MASQUERADE
 *
 * The chain is that of a container on a network; interfaces share it.
 */

const CHAIN_PREFIX = 'CNI-';
const CHAIN_CHARACTERS = 28;
const FAMILIES = [4, 6] as const;

/** Keeps the rules by iptables(8) processes. */
export const iptables: MasqueradeBackend = {
  add(addresses, owner) {
    for (const family of FAMILIES) {
      const own = addresses.filter(({ addr }) => addr.family === family);
      if (own.length > 0) addFamily(family, own, owner);
    }
  },

  del(owner, isGone) {
    const chain = chainOf(owner);
    for (const family of FAMILIES) {
      if (mayHoldChain(family, (name) => name === chain)) removeAddresses(family, chain, isGone);
    }
  },

  check(addresses, owner) {
    const chain = chainOf(owner);
    for (const family of FAMILIES) {
      const own = addresses.filter(({ addr }) => addr.family === family);
      if (own.length === 0) continue;
      const { rules } = readNat(family);
      for (const { addr } of own) {
        if (!rules.some((rule) => isEntry(rule, chain, host(addr)))) {
          throw missing(`-s ${addr} -j ${chain}`);
        }
      }
      if (!rules.some((rule) => rule.chain === chain && rule.target === 'MASQUERADE')) {
        throw missing(`${chain} -j MASQUERADE`);
      }
    }
  },

  gc(network, valid) {
    const start = commentStart(network);
    const kept = valid.map(chainOf);
    for (const family of FAMILIES) {
      if (!mayHoldChain(family, isChain)) continue;
      const table = readNat(family);
      const chains = table.rules
        .filter(({ options }) => options.get('--comment')?.startsWith(start) === true)
        .map(({ chain, target }) => (isChain(chain) ? chain : target))
        .filter((chain) => isChain(chain) && !kept.includes(chain));
      remove(family, table, [...new Set(chains)]);
    }
  },

  status: checkInstalled,
};

function addFamily(family: 4 | 6, addresses: readonly Prefix[], owner: Owner): void {
  const table = readNat(family);
  const chain = chainOf(owner);
  const comment = `-m comment --comment ${quoted(commentOf(owner))}`;
  // The networks of the container's other interfaces stay, all before the rule that ends the chain.
  const networks = new Set([
    ...table.rules
      .filter((rule) => rule.chain === chain && rule.target === 'ACCEPT')
      .flatMap(({ options }) => options.get('-d') ?? []),
    ...addresses.map((address) => `${address.masked()}`),
  ]);
  restoreNat(family, [
    table.chains.has(chain) ? `-F ${chain}` : `:${chain} - [0:0]`,
    ...Array.from(networks, (network) => `-A ${chain} -d ${network} ${comment} -j ACCEPT`),
    `-A ${chain} ! -d ${MULTICAST[family]} ${comment} -j MASQUERADE`,
    ...addresses
      .map(({ addr }) => host(addr))
      .filter((source) => !table.rules.some((rule) => isEntry(rule, chain, source)))
      .map((source) => `-A POSTROUTING -s ${source} ${comment} -j ${chain}`),
  ]);
}

/** Removes the ways of addresses into a chain, and the chain with the last one. */
function removeAddresses(family: 4 | 6, chain: string, isGone: (address: string) => boolean): void {
  const table = readNat(family);
  const entries = table.rules.filter((rule) => rule.target === chain);
  const gone = entries.filter(({ options }) =>
    isGone((options.get('-s') ?? '').replace(/\/.*/, '')),
  );
  if (gone.length === entries.length) remove(family, table, [chain]);
  else if (gone.length > 0) {
    restoreNat(
      family,
      gone.map((rule) => `-D ${rule.chain} ${rule.text}`),
    );
  }
}

/** Removes chains, and whatever leads to them. */
function remove(family: 4 | 6, { chains, rules }: SavedTable, names: readonly string[]): void {
  const lines = names
    .filter((name) => chains.has(name))
    .flatMap((name) => [
      ...rules
        .filter(({ target }) => target === name)
        .map((rule) => `-D ${rule.chain} ${rule.text}`),
      `-F ${name}`,
      `-X ${name}`,
    ]);
  if (lines.length > 0) restoreNat(family, lines);
}

function isEntry({ chain, target, options }: SavedRule, to: string, source: string): boolean {
  return chain === 'POSTROUTING' && target === to && options.get('-s') === source;
}

/** An address as iptables-save(8) prints it. */
function host(addr: Prefix['addr']): string {
  return `${addr}/${addr.bits}`;
}

function chainOf({ network, containerId }: Owner): string {
  return `${CHAIN_PREFIX}${sha512(`${network}${containerId}`)}`.slice(0, CHAIN_CHARACTERS);
}

function isChain(name: string): boolean {
  return /^CNI-[0-9a-f]{24}$/.test(name);
}

const commentStart = (network: string): string => `name: "${network}" id: "`;

function commentOf({ network, containerId }: Owner): string {
  return `${commentStart(network)}${containerId}"`;
}

function missing(what: string): CniError {
  return new CniError(CNI_CODE.internal, 'missing masquerade rule in iptables table nat', what);
}
