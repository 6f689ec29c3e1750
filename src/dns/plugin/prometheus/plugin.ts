import { zoneOf } from '../../message/name.ts';
import { typeName } from '../../message/numbers.ts';
import { rcodeName } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import { type Plugin, serverLabels } from '../plugin.ts';
import { type PrometheusConfig, parsePrometheus } from './config.ts';

/** Types that have a series of their own, as in CoreDNS; strangers can't make more. */
const COUNTED_TYPES: ReadonlySet<string> = new Set(
  'A AAAA CNAME DNSKEY DS HTTPS MX NAPTR NS NSEC NSEC3 PTR RRSIG SOA SRV SVCB TXT ANY'.split(' '),
);

/** `prometheus`: counts queries that come to the plugins, and answers /metrics. */
export const prometheus = definePlugin<PrometheusConfig>({
  name: 'prometheus',
  parse: parsePrometheus,
  says: ({ host, port }) => [
    `answers GET /metrics on ${host === '' ? 'every address' : host}, port ${port}`,
  ],
  create: ({ host, port }, { endpoints, metrics, metricsText, server }): Plugin => {
    endpoints.add(host, port, '/metrics', async () => ({
      status: 200,
      text: await metricsText(),
      type: 'text/plain; version=0.0.4; charset=utf-8',
    }));
    return {
      name: 'prometheus',
      async handle(query, next) {
        const start = performance.now();
        const zone = zoneOf(query.name, server.zones) ?? 'dropped';
        const labels = { ...serverLabels(query), zone };
        const type = typeName(query.request.question.type);
        metrics.count('coredns_dns_requests_total', {
          ...labels,
          proto: query.context.transport,
          family: query.context.client.unmap().family === 4 ? '1' : '2',
          type: COUNTED_TYPES.has(type) ? type : 'other',
        });
        if (query.request.edns?.dnssecOk === true) {
          metrics.count('coredns_dns_do_requests_total', labels);
        }
        const reply = await next(query);
        const seconds = (performance.now() - start) / 1000;
        metrics.observe('coredns_dns_request_duration_seconds', labels, seconds);
        if (reply !== undefined) {
          const rcode = rcodeName(reply.message.rcode);
          metrics.count('coredns_dns_responses_total', { ...labels, rcode, plugin: reply.by });
        }
        return reply;
      },
    };
  },
});
