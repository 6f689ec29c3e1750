import { zoneOf } from '../../message/name.ts';
import { RCODE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import { serverLabels } from '../plugin.ts';
import { answer, EXTENDED_ERROR } from '../reply.ts';
import { type AclConfig, parseAcl } from './config.ts';
import { AclFilter } from './filter.ts';

/** `acl`: who may ask for what. */
export const acl = definePlugin<AclConfig>({
  name: 'acl',
  repeats: true,
  parse: parseAcl,
  says: ({ lists }) =>
    lists.map(
      ({ zones, rules }) => `goes through ${rules.length} rules for names below ${zones.join(' ')}`,
    ),
  create: ({ lists }, { metrics }) => {
    const filters = lists.map(({ zones, rules }) => ({ zones, filter: AclFilter.of(rules) }));
    return {
      name: 'acl',
      async handle(query, next) {
        const client = query.context.client.unmap();
        for (const { zones, filter } of filters) {
          const zone = zoneOf(query.name, zones);
          if (zone === undefined) continue;
          const labels = { ...serverLabels(query), zone };
          switch (filter.verdict(client, query.request.question.type)) {
            case 'block':
              metrics.count('coredns_acl_blocked_requests_total', labels);
              return answer(query, 'acl', RCODE.REFUSED, {
                extendedError: EXTENDED_ERROR.PROHIBITED,
              });
            case 'filter':
              metrics.count('coredns_acl_filtered_requests_total', labels);
              return answer(query, 'acl', RCODE.NOERROR, { extendedError: EXTENDED_ERROR.BLOCKED });
            case 'drop':
              metrics.count('coredns_acl_dropped_requests_total', labels);
              return undefined;
            case 'allow':
              break;
            default:
          }
        }
        metrics.count('coredns_acl_allowed_requests_total', serverLabels(query));
        return await next(query);
      },
    };
  },
});
