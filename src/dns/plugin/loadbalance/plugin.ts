import { Addr } from '../../../ipaddr/addr.ts';
import type { Prefix } from '../../../ipaddr/prefix.ts';
import { shuffled } from '../../forward/policy.ts';
import type { ResourceRecord } from '../../message/message.ts';
import { TYPE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import { type LoadbalanceConfig, parseLoadbalance } from './config.ts';

const TYPE_MX = 15;
const SHUFFLED: ReadonlySet<number> = new Set([TYPE.A, TYPE.AAAA, TYPE_MX]);

/** `loadbalance`: addresses in another order each time, CNAMEs before them. */
export const loadbalance = definePlugin<LoadbalanceConfig>({
  name: 'loadbalance',
  parse: parseLoadbalance,
  says: ({ prefer }) => [
    'gives A, AAAA and MX records in another order each time',
    ...(prefer.length > 0 ? [`with those in ${prefer.join(' ')} first`] : []),
  ],
  create: ({ prefer }) => ({
    name: 'loadbalance',
    async handle(query, next) {
      const reply = await next(query);
      if (reply === undefined || reply.message.answers.length < 2) return reply;
      return {
        ...reply,
        message: { ...reply.message, answers: balanced(reply.message.answers, prefer) },
      };
    },
  }),
});

function balanced(
  records: readonly ResourceRecord[],
  prefer: readonly Prefix[],
): readonly ResourceRecord[] {
  const cnames = records.filter(({ type }) => type === TYPE.CNAME);
  const rest = records.filter(({ type }) => type !== TYPE.CNAME && !SHUFFLED.has(type));
  const addresses = shuffled(records.filter(({ type }) => SHUFFLED.has(type)));
  const rank = ({ type, rdata }: ResourceRecord): number => {
    if (type === TYPE_MX) return prefer.length;
    const addr = Addr.fromBytes(rdata);
    const found = prefer.findIndex((prefix) => prefix.contains(addr));
    return found < 0 ? prefer.length : found;
  };
  // Array.sort is stable, so what is equal keeps its random place.
  if (prefer.length > 0) addresses.sort((a, b) => rank(a) - rank(b));
  return [...cnames, ...rest, ...addresses];
}
