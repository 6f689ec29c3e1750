import { nameBytes, type ResourceRecord } from '../../message/message.ts';
import { zoneOf } from '../../message/name.ts';
import { CLASS_IN, RCODE, TYPE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Query, Reply } from '../plugin.ts';
import { type AutopathConfig, parseAutopath } from './config.ts';

const TTL_SECONDS_MAX = 3600;

/** `autopath`: walks a client's search list for it, and answers with what is found first. */
export const autopath = definePlugin<AutopathConfig>({
  name: 'autopath',
  parse: parseAutopath,
  says: ({ usesPods, search }) => [
    usesPods
      ? `walks the search list of the asking pod's namespace, then ${search.join(' ') || 'the bare name'}`
      : `walks the search list ${search.join(' ')}`,
  ],
  create: ({ zones, search, usesPods }, { cluster, metrics }) => {
    const listFor = ({ context }: Query): readonly string[] => {
      if (!usesPods) return search;
      const namespace = cluster?.namespaceOf(context.client.unmap());
      if (namespace === undefined || cluster === undefined) return [];
      const { domain } = cluster;
      return [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...search];
    };
    return {
      name: 'autopath',
      async handle(query, next) {
        const { question } = query.request;
        const isAddress = question.type === TYPE.A || question.type === TYPE.AAAA;
        const list = listFor(query);
        const [first] = list;
        const isCandidate =
          isAddress &&
          question.class === CLASS_IN &&
          zoneOf(query.name, zones) !== undefined &&
          first !== undefined &&
          query.name.endsWith(`.${first}`);
        if (!isCandidate) return await next(query);
        // The first element of the list is what was asked for, so the rest of it is not known to exist.
        const bare = query.name.slice(0, -first.length);
        const original = await next(query);
        if (original?.message.rcode !== RCODE.NXDOMAIN) return original;
        for (const domain of [...list.slice(1), '']) {
          const name = domain === '' ? bare : `${bare}${domain}`;
          const asked = { ...question, name };
          const found = await next({
            ...query,
            name,
            request: { ...query.request, question: asked },
          });
          if (found === undefined || found.message.rcode !== RCODE.NOERROR) continue;
          metrics.count('coredns_autopath_success_total', { server: query.server });
          return { ...found, message: withAlias(found, query, name) };
        }
        return original;
      },
    };
  },
});

/** The answer found, under the name that was asked for: a CNAME leads from one to the other. */
function withAlias(found: Reply, query: Query, name: string): Reply['message'] {
  const { message } = found;
  if (message.answers.length === 0) return { ...message, question: query.request.question };
  const alias: ResourceRecord = {
    ...query.request.question,
    type: TYPE.CNAME,
    ttl: Math.min(TTL_SECONDS_MAX, ...message.answers.map(({ ttl }) => ttl)),
    rdata: nameBytes(name),
  };
  return { ...message, question: query.request.question, answers: [alias, ...message.answers] };
}
