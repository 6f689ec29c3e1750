import { MessageError } from '../../message/name.ts';
import { RCODE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import { answer } from '../reply.ts';
import { parseRewrite, type RewriteConfig } from './config.ts';
import type { Rewritten } from './rule.ts';

/** `rewrite`: changes queries, and their answers back. */
export const rewrite = definePlugin<RewriteConfig>({
  name: 'rewrite',
  repeats: true,
  parse: parseRewrite,
  says: ({ rules }) =>
    rules.map(({ says, continues }) =>
      continues ? `${says}, and goes on with the next rule` : says,
    ),
  create: ({ rules }) => ({
    name: 'rewrite',
    async handle(query, next) {
      let current = query;
      const answers: NonNullable<Rewritten['answer']>[] = [];
      try {
        for (const rule of rules) {
          const rewritten = rule.apply(current);
          if (rewritten === undefined) continue;
          current = rewritten.query;
          // The last change of the query is the first to be undone.
          if (rewritten.answer !== undefined) answers.unshift(rewritten.answer);
          if (!rule.continues) break;
        }
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        return { ...answer(query, 'rewrite', RCODE.SERVFAIL), problem: error.message };
      }
      const reply = await next(current);
      if (reply === undefined) return undefined;
      const message = answers.reduce((changed, change) => change(changed), reply.message);
      return { ...reply, message: { ...message, question: query.request.question } };
    },
  }),
});
