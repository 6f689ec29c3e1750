import { encodeMessage, MESSAGE_BYTES_MAX } from '../message/encode.ts';
import { type Message, parseMessage, type ResourceRecord } from '../message/message.ts';
import { canonicalName, MessageError, readName } from '../message/name.ts';
import type { QueryContext } from '../server/fallback.ts';
import { RCODE, TYPE } from '../wire/constants.ts';
import type { Next, Plugin, Query, Reply } from './plugin.ts';
import { answer, refused } from './reply.ts';

/** CNAMEs followed for one query. */
const CNAMES_MAX = 10;
/** The largest UDP answer, which passes every path unfragmented (DNS flag day 2020). */
const UDP_BYTES_MAX = 1232;
const PLAIN_UDP_BYTES_MAX = 512;

/** The plugins one after the other; what none of them answers is refused. */
export function chainOf(plugins: readonly Plugin[]): Next {
  return plugins.reduceRight<Next>(
    (next, plugin) =>
      plugin.handle === undefined ? next : async (query) => await plugin.handle?.(query, next),
    async (query) => refused(query, ''),
  );
}

/** The records a CNAME leads to, asked of a chain. */
export async function followCname(
  ask: Next,
  query: Query,
  cname: Uint8Array,
): Promise<readonly ResourceRecord[]> {
  if (query.depth >= CNAMES_MAX) return [];
  const { name } = readName(cname, 0);
  const { request } = query;
  const reply = await ask({
    ...query,
    name: canonicalName(name),
    request: { ...request, question: { ...request.question, name } },
    depth: query.depth + 1,
  });
  return reply?.message.rcode === RCODE.NOERROR ? reply.message.answers : [];
}

/** The query a client's bytes are, which came to `server`; throws MessageError. */
export function readQuery(request: Uint8Array, context: QueryContext, server: string): Query {
  const message = parseMessage(request);
  const name = canonicalName(message.question.name);
  return { request: message, name, context, server, depth: 0 };
}

/**
 * The reply in wire form: with the id, the question and the flags of the client's query, an OPT record
 * when it had one, and not longer than it can take.
 */
export function encodeReply(query: Query, reply: Reply, udpBytesMax: number): Uint8Array {
  const { request, context } = query;
  const { message } = reply;
  const { edns } = request;
  const wantsAd = request.ad || edns?.dnssecOk === true;
  const whole: Message = {
    ...message,
    id: request.id,
    opcode: request.opcode,
    qr: true,
    rd: request.rd,
    ra: true,
    cd: request.cd,
    ad: message.ad && wantsAd,
    // Without EDNS there are only four bits for it.
    rcode: edns === undefined && message.rcode > 15 ? RCODE.SERVFAIL : message.rcode,
    question: request.question,
    edns:
      edns === undefined
        ? undefined
        : {
            sizeBytes: UDP_BYTES_MAX,
            version: 0,
            dnssecOk: edns.dnssecOk,
            options: message.edns?.options ?? [],
          },
  };
  if (context.transport === 'tcp') return encodeMessage(whole, MESSAGE_BYTES_MAX);
  const size =
    edns === undefined ? PLAIN_UDP_BYTES_MAX : Math.max(PLAIN_UDP_BYTES_MAX, edns.sizeBytes);
  return encodeMessage(whole, Math.min(size, UDP_BYTES_MAX, udpBytesMax));
}

/** FORMERR or NOTIMP for bytes that are no query we can read; undefined for what gets no answer. */
export function rejectQuery(request: Uint8Array, error: MessageError): Uint8Array | undefined {
  if (request.length < 12 || ((request[2] ?? 0) & 0x80) !== 0) return undefined;
  const header = request.slice(0, 12);
  header[2] = 0x80 | ((header[2] ?? 0) & 0x79);
  header[3] = error instanceof MessageError ? RCODE.FORMERR : RCODE.SERVFAIL;
  header.fill(0, 4);
  return header;
}

/** A query of another class or kind than the plugins know is refused before it meets them. */
export function isForPlugins({ request }: Query): boolean {
  const { type } = request.question;
  return request.opcode === 0 && type !== TYPE.OPT && type !== 251 && type !== 252;
}

/** The answer to what is not for the plugins. */
export function notForPlugins(query: Query): Reply {
  return answer(query, '', query.request.opcode === 0 ? RCODE.REFUSED : RCODE.NOTIMP);
}
