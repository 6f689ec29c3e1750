import type { Attributes } from '../../attribute.ts';
import type { expressionAttributes, statefulAttributes } from './attributes.ts';

/**
 * One step of a rule. The kernel runs a rule's expressions from left to right over a set of
 * registers; the first that does not match ends the rule. The functions of this folder make them
 * with every field the kernel lists, so what is listed equals what was sent.
 */
export type Expression = Attributes<typeof expressionAttributes>;

/** An expression with a state of its own: counter, limit, quota or connlimit. */
export type StatefulExpression = Attributes<typeof statefulAttributes>;
