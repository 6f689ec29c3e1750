import type { Batch } from '../../netlink/nftables/batch.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { ruleList, tableList } from '../../netlink/nftables/list.ts';
import type { Rule } from '../../netlink/nftables/rule.ts';
import { applyOwn } from '../../netlink/nftables/transaction.ts';
import { sha512 } from '../../sys/digest.ts';
import type { Owner } from '../pod-interface/owner.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { MasqueradeBackend } from './backend.ts';
import { addressRule, CHECKS, POSTROUTING, POSTROUTING_RULES, sameRule, TABLE } from './rules.ts';

const HASH_CHARACTERS = 16;
/** What nft(8) takes (NFTNL_UDATA_COMMENT_MAXLEN). */
const COMMENT_CHARACTERS_MAX = 128;

/** Keeps the rules by nf_tables over netlink, each one tagged with its owner by its comment. */
export const nftables: MasqueradeBackend = {
  add(addresses, owner) {
    const tag = tagOf(owner);
    const comment = commentOf(owner);
    using connection = NftablesConnection.open();
    applyOwn(connection, (batch) => {
      const rules = ruleList(connection, TABLE);
      ensureChains(batch, rules);
      for (const rule of rules.filter(isTagged(tag))) del(batch, rule);
      for (const address of addresses) {
        batch.ruleAdd(TABLE, CHECKS.name, { expressions: addressRule(address), comment });
      }
    });
  },

  del(owner) {
    deleteWhere(isTagged(tagOf(owner)));
  },

  check(addresses, owner) {
    using connection = NftablesConnection.open();
    const rules = ruleList(connection, TABLE);
    const own = rules.filter(isTagged(tagOf(owner)));
    const lost = addresses.find(
      (address) => !own.some(({ expressions }) => sameRule(expressions, addressRule(address))),
    );
    if (lost !== undefined) throw missing(`${lost}`);
    if (!isEntered(rules)) throw missing(POSTROUTING.name);
  },

  gc(network, valid) {
    const isOfNetwork = isTagged(networkTag(network));
    const kept = valid.map((owner) => isTagged(tagOf(owner)));
    deleteWhere((rule) => isOfNetwork(rule) && !kept.some((isOf) => isOf(rule)));
  },

  status() {
    try {
      using connection = NftablesConnection.open();
      tableList(connection, TABLE.family);
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error);
      throw new CniError(CNI_CODE.notAvailable, 'nftables is not usable', details);
    }
  },
};

function deleteWhere(matches: (rule: Rule) => boolean): void {
  using connection = NftablesConnection.open();
  applyOwn(connection, (batch) => {
    for (const rule of ruleList(connection, TABLE, CHECKS.name)) {
      if (matches(rule)) del(batch, rule);
    }
  });
}

function del(batch: Batch, { chain, handle }: Rule): void {
  batch.ruleDel(TABLE, chain, handle);
}

/**
 * Makes what is missing of the table, and what is wrong right. A chain that is there is not added
 * again: the kernel would take that for a change, and have whoever closes a socket wait for its end.
 */
function ensureChains(batch: Batch, rules: readonly Rule[]): void {
  if (isEntered(rules)) return;
  batch.tableAdd(TABLE);
  for (const chain of [CHECKS, POSTROUTING]) batch.chainAdd(TABLE, chain);
  batch.chainFlush(TABLE, POSTROUTING.name);
  for (const expressions of POSTROUTING_RULES) {
    batch.ruleAdd(TABLE, POSTROUTING.name, { expressions });
  }
}

/** Whether packets get to the rules of the addresses. */
function isEntered(rules: readonly Rule[]): boolean {
  const present = rules.filter(({ chain }) => chain === POSTROUTING.name);
  return (
    present.length === POSTROUTING_RULES.length &&
    present.every(({ expressions }, index) => sameRule(expressions, POSTROUTING_RULES[index] ?? []))
  );
}

function isTagged(tag: string): (rule: Rule) => boolean {
  return ({ chain, comment }) => chain === CHECKS.name && comment?.startsWith(tag) === true;
}

const hash = (text: string): string => sha512(text).slice(0, HASH_CHARACTERS);

/** What the comments of a network's rules begin with. */
function networkTag(network: string): string {
  return `${hash(network)}-`;
}

/** What the comments of an owner's rules begin with. */
function tagOf({ network, ifName, containerId }: Owner): string {
  return `${networkTag(network)}${hash(`${ifName}:${containerId}`)}`;
}

function commentOf(owner: Owner): string {
  const { network, ifName, containerId } = owner;
  const comment = `${tagOf(owner)}, net: ${network}, if: ${ifName}, id: ${containerId}`;
  return comment.slice(0, COMMENT_CHARACTERS_MAX);
}

function missing(what: string): CniError {
  const text = `missing masquerade rule in table ${TABLE.family} ${TABLE.name}`;
  return new CniError(CNI_CODE.internal, text, what);
}
