import type { Message } from '../../message/message.ts';
import type { Query } from '../plugin.ts';

/** What a rule made of a query. */
export interface Rewritten {
  readonly query: Query;
  /** Undoes it, or does something else, in the answer. */
  readonly answer?: (reply: Message) => Message;
}

/** One rule; undefined when the query is none of its business. */
export interface RewriteRule {
  /** Whether later rules see the query as well. */
  readonly continues: boolean;
  readonly says: string;
  apply(query: Query): Rewritten | undefined;
}

/** A rule before anyone says whether others follow. */
export type RuleBody = Omit<RewriteRule, 'continues'>;
