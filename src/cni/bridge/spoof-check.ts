import { isDeepStrictEqual } from 'node:util';
import type { Mac } from '../../ipaddr/mac.ts';
import type { Batch } from '../../netlink/nftables/batch.ts';
import type { Chain, ChainSpec } from '../../netlink/nftables/chain.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { compare } from '../../netlink/nftables/expression/match.ts';
import { DROP, jumpTo, RETURN, verdict } from '../../netlink/nftables/expression/verdict.ts';
import { chainList, ruleList } from '../../netlink/nftables/list.ts';
import type { TableSpec } from '../../netlink/nftables/table.ts';
import { applyOwn } from '../../netlink/nftables/transaction.ts';
import { interfaceName } from '../../netlink/nftables/value.ts';
import type { Owner } from '../pod-interface/owner.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Attachment } from '../protocol/plugin.ts';

/*
 * `macspoofchk`: what a pod sends under another MAC address than its own is dropped. Table, chains and
 * comments are the reference plugin's, so that either plugin removes what the other made:
 *
 *   PREROUTING: iifname <veth> jump cni-br-iface-<container>-<interface>
 *     -> jump ...-mac: ether saddr <mac> return, drop
 *
 * Network and interface are in the owner of the rule in PREROUTING, where nft(8) shows nothing.
 */

const TABLE: TableSpec = { family: 'bridge', name: 'nat' };
const PREROUTING: ChainSpec = {
  name: 'PREROUTING',
  hook: { type: 'filter', hook: 'prerouting', priority: -300 },
};
const CHAIN_PREFIX = 'cni-br-iface-';
const COMMENT_PREFIX = 'macspoofchk-';
/** Where the source address is in an Ethernet header, and its size. */
const SOURCE_OFFSET = 6;
const SOURCE_BYTES = 6;

/** Drops what comes from the host end `veth` under another address than `mac`. */
export function spoofCheckAdd(veth: string, mac: Mac, owner: Owner): void {
  const { chain, macChain, comment } = namesOf(owner);
  using connection = NftablesConnection.open();
  applyOwn(connection, (batch) => {
    const present = remove(connection, batch, [owner]);
    batch.tableAdd(TABLE);
    // Adding it again is a change, and closing the socket then waits for the end of what was before.
    // One that is not where packets pass by is refused by the kernel.
    if (!isPrerouting(present.get(PREROUTING.name))) batch.chainAdd(TABLE, PREROUTING);
    for (const name of [chain, macChain]) batch.chainAdd(TABLE, { name });
    for (const [name, rules] of rulesOf(veth, mac, owner)) {
      const more = name === PREROUTING.name ? { owner: ownerText(owner) } : {};
      for (const expressions of rules) {
        batch.ruleAdd(TABLE, name, { expressions, comment, ...more });
      }
    }
  });
}

/** Removes the owner's rules. Nothing there is fine. */
export function spoofCheckDel(owner: Owner): void {
  using connection = NftablesConnection.open();
  applyOwn(connection, (batch) => {
    remove(connection, batch, [owner]);
  });
}

/** Throws CniError when a rule is missing, or is about another veth or address. */
export function spoofCheckCheck(veth: string, mac: Mac, owner: Owner): void {
  const { comment } = namesOf(owner);
  using connection = NftablesConnection.open();
  const present = ruleList(connection, TABLE).filter((rule) => rule.comment === comment);
  for (const [name, rules] of rulesOf(veth, mac, owner)) {
    const actual = present.filter(({ chain }) => chain === name).map((rule) => rule.expressions);
    if (isDeepStrictEqual(actual, rules)) continue;
    const what = actual.length < rules.length ? 'missing' : 'wrong';
    const details = `${comment}: expected what comes from "${veth}" to be from ${mac}`;
    const text = `${what} macspoofchk rule in chain "${name}"`;
    throw new CniError(CNI_CODE.internal, text, details);
  }
}

/** Removes the network's rules of all attachments but the valid ones. */
export function spoofCheckGc(network: string, valid: readonly Attachment[]): void {
  const kept = valid.map((each) => namesOf({ network, ...each }).comment);
  using connection = NftablesConnection.open();
  applyOwn(connection, (batch) => {
    const stale = ruleList(connection, TABLE, PREROUTING.name).flatMap((rule) => {
      const { comment = '', owner = '' } = rule;
      const ifName = owner.slice(network.length + 1);
      if (!comment.startsWith(COMMENT_PREFIX) || owner !== `${network} ${ifName}`) return [];
      if (kept.includes(comment)) return [];
      return {
        network,
        ifName,
        containerId: comment.slice(COMMENT_PREFIX.length, -ifName.length - 1),
      };
    });
    if (stale.length > 0) remove(connection, batch, stale);
  });
}

/** Removes the owners' rules and chains, and gives the names of the chains there were. */
function remove(
  connection: NftablesConnection,
  batch: Batch,
  owners: readonly Owner[],
): ReadonlyMap<string, Chain> {
  const names = owners.map(namesOf);
  const comments = new Set(names.map(({ comment }) => comment));
  for (const rule of ruleList(connection, TABLE, PREROUTING.name)) {
    if (comments.has(rule.comment ?? '')) batch.ruleDel(TABLE, PREROUTING.name, rule.handle);
  }
  const present = new Map(chainList(connection, TABLE).map((chain) => [chain.name, chain]));
  for (const { chain, macChain } of names) {
    // The one that jumps goes before the one it jumps to.
    for (const name of [chain, macChain].filter((each) => present.has(each))) {
      batch.chainFlush(TABLE, name);
      batch.chainDel(TABLE, name);
    }
  }
  return present;
}

function isPrerouting(chain: Chain | undefined): boolean {
  const { type, hook, priority } = chain?.hook ?? {};
  return isDeepStrictEqual({ type, hook, priority }, PREROUTING.hook);
}

/** The rules of each chain, those first that are jumped to. */
function rulesOf(veth: string, mac: Mac, owner: Owner): [string, Expression[][]][] {
  const { chain, macChain } = namesOf(owner);
  const source = loadPayload('link', SOURCE_OFFSET, SOURCE_BYTES, 0);
  const isOwn = [source, compare('==', mac.toBytes(), 0)];
  const isFromVeth = [loadMeta('iifname', 0), compare('==', interfaceName(veth), 0)];
  return [
    [macChain, [[...isOwn, verdict(RETURN)], [verdict(DROP)]]],
    [chain, [[verdict(jumpTo(macChain))]]],
    [PREROUTING.name, [[...isFromVeth, verdict(jumpTo(chain))]]],
  ];
}

function namesOf({ containerId, ifName }: Owner) {
  const id = `${containerId}-${ifName}`;
  const chain = `${CHAIN_PREFIX}${id}`;
  return { chain, macChain: `${chain}-mac`, comment: `${COMMENT_PREFIX}${id}` };
}

function ownerText({ network, ifName }: Owner): string {
  return `${network} ${ifName}`;
}
