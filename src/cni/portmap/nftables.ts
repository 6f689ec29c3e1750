import type { Batch } from '../../netlink/nftables/batch.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { chainList, ruleList, tableList } from '../../netlink/nftables/list.ts';
import type { Rule } from '../../netlink/nftables/rule.ts';
import { applyOwn } from '../../netlink/nftables/transaction.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { PortmapBackend } from './backend.ts';
import { compileConditions } from './conditions.ts';
import type { PodForwards, PortmapConfig } from './config.ts';
import { describeForward, type Forward, overlaps, portTaken } from './forward.ts';
import {
  CHAINS,
  forwardRule,
  HOSTPORTS,
  MASQUERADING,
  masqueradeRule,
  masqueradesOf,
  POD_CHAINS,
  readForward,
  sameExpressions,
  tableOf,
} from './nftables-rules.ts';
import { describeOwner, networkTag, type Owner, type OwnerTag, tagOf } from './owner.ts';

const FAMILIES = [4, 6] as const;

/** Keeps the rules by nf_tables over netlink, each one tagged with its owner. */
export const nftables: PortmapBackend = {
  add,

  refuseTaken(pods, owner) {
    using connection = NftablesConnection.open();
    for (const { address, forwards } of pods) {
      const { family } = address.addr;
      refuseTaken(family, ruleList(connection, tableOf(family)), forwards, tagOf(owner));
    }
  },

  del(owner) {
    const tag = tagOf(owner);
    return deleteWhere((rule) => isOf(rule, tag) || isOfContainer(rule, tag));
  },

  check,

  gc(network, valid) {
    const prefix = networkTag(network);
    const kept = valid.map(tagOf);
    return deleteWhere(
      (rule) => rule.owner?.startsWith(prefix) === true && !kept.some((tag) => isOf(rule, tag)),
    );
  },

  status,
};

function add(config: PortmapConfig, owner: Owner): void {
  const tag = tagOf(owner);
  const pods = config.pods.map((pod) => {
    const { family } = pod.address.addr;
    return { ...pod, family, alternatives: compileConditions(family, pod.conditions) };
  });
  using connection = NftablesConnection.open();
  applyOwn(connection, (batch) => {
    for (const family of FAMILIES) {
      const table = tableOf(family);
      const rules = ruleList(connection, table);
      for (const { chain, handle } of rules.filter((rule) => isOf(rule, tag))) {
        batch.ruleDel(table, chain, handle);
      }
      for (const pod of pods.filter((each) => each.family === family)) {
        refuseTaken(family, rules, pod.forwards, tag);
        ensureChains(connection, batch, family, rules, config.snat);
        for (const forward of pod.forwards) {
          for (const conditions of pod.alternatives) {
            const expressions = forwardRule(forward, conditions);
            batch.ruleAdd(table, HOSTPORTS, { expressions, ...tag });
          }
        }
        if (!config.snat) continue;
        for (const expressions of masqueradeRules(pod, config)) {
          batch.ruleAdd(table, MASQUERADING, { expressions, ...tag });
        }
      }
    }
  });
}

function deleteWhere(matches: (rule: Rule) => boolean): Forward[] {
  using connection = NftablesConnection.open();
  return applyOwn(connection, (batch) =>
    FAMILIES.flatMap((family) => {
      const table = tableOf(family);
      const rules = ruleList(connection, table).filter(
        (rule) => POD_CHAINS.includes(rule.chain) && matches(rule),
      );
      for (const { chain, handle } of rules) batch.ruleDel(table, chain, handle);
      return rules.flatMap(({ expressions }) => readForward(family, expressions) ?? []);
    }),
  );
}

function check(config: PortmapConfig, owner: Owner): void {
  const tag = tagOf(owner);
  using connection = NftablesConnection.open();
  for (const pod of config.pods) {
    const { family } = pod.address.addr;
    const rules = ruleList(connection, tableOf(family));
    for (const { name, rules: wanted = [] } of CHAINS) {
      const present = rules.filter(({ chain }) => chain === name);
      // The reference plugin puts conditions first.
      const isThere = (one: readonly Expression[]): boolean =>
        present.some(({ expressions }) => endsWith(expressions, one));
      if (!wanted.every(isThere)) throw missing(name, 'its jump');
    }
    const own = rules.filter((rule) => isOf(rule, tag) || isOfContainer(rule, tag));
    const done = own.flatMap((rule) => {
      const forward = readForward(family, rule.expressions);
      return forward === undefined ? [] : describeForward(forward);
    });
    const lost = pod.forwards.find((forward) => {
      // A condition on the destination reads as an address of the host.
      const ours = forwardRule(forward, []);
      const isDone = done.includes(describeForward(forward));
      return !isDone && !own.some(({ expressions }) => endsWith(expressions, ours));
    });
    if (lost !== undefined) throw missing(HOSTPORTS, describeForward(lost));
    if (!config.snat) continue;
    const sources = own.filter(({ chain }) => chain === MASQUERADING);
    for (const wanted of masqueradeRules(pod, config)) {
      if (sources.some((rule) => sameExpressions(rule.expressions, wanted))) continue;
      throw missing(MASQUERADING, `${pod.address.addr}`);
    }
  }
}

function status(): void {
  try {
    using connection = NftablesConnection.open();
    tableList(connection, 'ip');
  } catch (error) {
    const details = error instanceof Error ? error.message : String(error);
    throw new CniError(CNI_CODE.notAvailable, 'nftables is not usable', details);
  }
}

function isOf(rule: Rule, { comment, owner }: OwnerTag): boolean {
  return rule.comment === comment && rule.owner === owner;
}

/** Made by the reference plugin, which writes down the container alone. */
function isOfContainer(rule: Rule, { comment }: OwnerTag): boolean {
  return rule.comment === comment && rule.owner === undefined;
}

/** A container may ask for one of its ports twice, by two networks: the first rule wins. */
function refuseTaken(
  family: 4 | 6,
  rules: readonly Rule[],
  wanted: readonly Forward[],
  { comment }: OwnerTag,
): void {
  for (const rule of rules) {
    const held = rule.comment === comment ? undefined : readForward(family, rule.expressions);
    if (held === undefined) continue;
    const taken = wanted.find((forward) => overlaps(forward, held));
    if (taken !== undefined) throw portTaken(taken, describeOwner(rule));
  }
}

/**
 * Makes what is missing of the table, and what is wrong right. A chain that is there is not added
 * again: the kernel would take that for a change, and have whoever closes a socket wait for its end.
 */
function ensureChains(
  connection: NftablesConnection,
  batch: Batch,
  family: 4 | 6,
  rules: readonly Rule[],
  masquerades: boolean,
): void {
  const table = tableOf(family);
  const names = new Set(chainList(connection, table).map(({ name }) => name));
  batch.tableAdd(table);
  for (const { rules: wanted, ...chain } of CHAINS) {
    if (chain.name === MASQUERADING && !masquerades) continue;
    if (!names.has(chain.name)) batch.chainAdd(table, chain);
    if (wanted === undefined) continue;
    const present = rules.filter((rule) => rule.chain === chain.name);
    const isRight =
      present.length === wanted.length &&
      present.every(({ expressions }, index) => sameExpressions(expressions, wanted[index] ?? []));
    if (isRight) continue;
    batch.chainFlush(table, chain.name);
    for (const expressions of wanted) batch.ruleAdd(table, chain.name, { expressions });
  }
}

function masqueradeRules({ address }: PodForwards, { masqAll }: PortmapConfig): Expression[][] {
  return masqueradesOf(address.addr, masqAll).map(masqueradeRule);
}

function endsWith(expressions: readonly Expression[], end: readonly Expression[]): boolean {
  return sameExpressions(expressions.slice(-end.length), end);
}

function missing(chain: string, what: string): CniError {
  return new CniError(CNI_CODE.internal, `missing hostport rules in "${chain}" chain`, what);
}
