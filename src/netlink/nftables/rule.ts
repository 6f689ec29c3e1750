import type { Attributes } from '../attribute.ts';
import type { ruleAttributes } from './attributes.ts';
import type { Expression } from './expression/expression.ts';
import { commentOf, ruleOwnerOf, ruleUserdata } from './userdata.ts';

/** A rule as it is made. */
export interface RuleSpec {
  readonly expressions: readonly Expression[];
  readonly comment?: string | undefined;
  /** Whose it is, where a comment has no room for that; nft(8) does not show it. */
  readonly owner?: string | undefined;
}

/** A rule as the kernel has it. */
export interface Rule extends RuleSpec {
  readonly chain: string;
  /** What it is deleted, replaced and found in a trace by. */
  readonly handle: bigint;
}

const NFT_DYNSET_F_EXPR = 2;

/** The attributes that make a rule. */
export function encodeRule(
  table: string,
  chain: string,
  rule: RuleSpec,
): Attributes<typeof ruleAttributes> {
  return {
    table,
    chain,
    expressions: rule.expressions.map(asSent),
    userdata: ruleUserdata(rule.comment, rule.owner),
  };
}

/** The rule a message tells of. */
export function decodeRule(attributes: Attributes<typeof ruleAttributes>): Rule {
  const { chain = '', handle = 0n, expressions = [], userdata } = attributes;
  return {
    chain,
    handle,
    expressions: expressions.map(asMade),
    comment: commentOf(userdata),
    owner: ruleOwnerOf(userdata),
  };
}

/* Two expressions are not listed as they have to be sent. */

/** A dynset with several expressions has to say so by a flag that is never listed. */
function asSent(expression: Expression): Expression {
  const { dynset } = expression.data ?? {};
  if (dynset?.expressions === undefined) return expression;
  const flags = (dynset.flags ?? 0) | NFT_DYNSET_F_EXPR;
  return { ...expression, data: { dynset: { ...dynset, flags } } };
}

/** One that writes an option is listed with flags, which it must not be sent with. */
function asMade(expression: Expression): Expression {
  const { exthdr } = expression.data ?? {};
  if (exthdr?.sourceRegister === undefined) return expression;
  const { flags: _, ...made } = exthdr;
  return { ...expression, data: { exthdr: made } };
}
