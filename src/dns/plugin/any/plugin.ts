import { parseRecord } from '../../message/record-text.ts';
import { RCODE, TYPE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import { answer } from '../reply.ts';
import { type AnyConfig, parseAny } from './config.ts';

/** The data of RFC 8482 section 4.2, with the TTL CoreDNS gives it. */
const HINFO = parseRecord('. 8482 HINFO "ANY obsoleted" "See RFC 8482"');

/** `any`: answers queries for any type with next to nothing (RFC 8482). */
export const any = definePlugin<AnyConfig>({
  name: 'any',
  parse: parseAny,
  says: () => ['answers queries of type ANY with one HINFO record (RFC 8482)'],
  create: () => ({
    name: 'any',
    async handle(query, next) {
      const { question } = query.request;
      if (question.type !== TYPE.ANY) return await next(query);
      const reply = answer(query, 'any', RCODE.NOERROR, {
        answers: [{ ...HINFO, name: question.name, class: question.class }],
      });
      return { ...reply, isLive: true };
    },
  }),
});
