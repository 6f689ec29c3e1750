import { encodeMessage } from '../../message/encode.ts';
import type { Message } from '../../message/message.ts';
import { zoneOf } from '../../message/name.ts';
import { className, typeName } from '../../message/numbers.ts';
import { rcodeName } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Query } from '../plugin.ts';
import { answerClass } from '../reply.ts';
import { type LogConfig, parseLog } from './config.ts';

/** `log`: writes a line for each query. */
export const log = definePlugin<LogConfig>({
  name: 'log',
  repeats: true,
  parse: parseLog,
  says: ({ rules }) =>
    rules.map(
      ({ zones, classes }) =>
        `writes a line for each query (${[...classes].join(', ')}) below ${zones.join(' ')}`,
    ),
  create: ({ rules }, environment) => ({
    name: 'log',
    async handle(query, next) {
      const start = performance.now();
      const reply = await next(query);
      if (reply === undefined) return reply;
      const rule = rules.find(({ zones }) => zoneOf(query.name, zones) !== undefined);
      if (rule === undefined) return reply;
      if (rule.classes.has('all') || rule.classes.has(answerClass(reply.message))) {
        const seconds = (performance.now() - start) / 1000;
        environment.log.info({}, formatLine(rule.format, query, reply.message, seconds));
      }
      return reply;
    },
  }),
});

function formatLine(format: string, query: Query, reply: Message, seconds: number): string {
  const { request, context } = query;
  const bracketed = (text: string): string => (text.includes(':') ? `[${text}]` : text);
  const flags = (['qr', 'aa', 'tc', 'rd', 'ra', 'ad', 'cd'] as const).filter((flag) => reply[flag]);
  const values: Readonly<Record<string, () => string | number>> = {
    type: () => typeName(request.question.type),
    name: () => query.name,
    class: () => className(request.question.class),
    proto: () => context.transport,
    remote: () => bracketed(context.client.toString()),
    local: () => bracketed(context.local.toString()),
    port: () => context.clientPort,
    size: () => encodeMessage(request).length,
    duration: () => `${seconds.toFixed(6)}s`,
    rcode: () => rcodeName(reply.rcode),
    rsize: () => encodeMessage(reply).length,
    '>rflags': () => flags.join(','),
    '>bufsize': () => request.edns?.sizeBytes ?? 512,
    '>do': () => String(request.edns?.dnssecOk ?? false),
    '>id': () => request.id,
    '>opcode': () => request.opcode,
  };
  return format.replace(/\{([^{}]+)\}/g, (_, name: string) => String(values[name]?.() ?? '-'));
}
