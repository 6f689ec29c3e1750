import { randomInt } from 'node:crypto';
import { encodeMessage } from '../message/encode.ts';
import { type Edns, type Message, parseMessage, type Question } from '../message/message.ts';
import { canonicalName } from '../message/name.ts';
import { EDNS_OPTION } from '../message/numbers.ts';

/** What passes every path unfragmented (DNS flag day 2020). */
const UDP_BYTES_MAX = 1232;

/** Options that concern one hop alone (RFC 7873, 7828, 7830), or that we did not ask for. */
const HOP_OPTIONS: ReadonlySet<number> = new Set([EDNS_OPTION.COOKIE, 11, 12]);

/** A query as upstreams are sent it; the id is made anew for each sending. */
export interface UpstreamQuery {
  readonly message: Message;
  /** Equal for queries with equal answers. */
  readonly key: string;
}

/**
 * What is asked of upstreams for a client's query: its question in lower case, its RD, CD and DO, and
 * EDNS always, so that answers are seldom truncated. The client's options go along, but for those
 * of the hop between it and us.
 */
export function upstreamQuery(request: Message): UpstreamQuery {
  const { question, rd, cd, edns } = request;
  const options = (edns?.options ?? []).filter(({ code }) => !HOP_OPTIONS.has(code));
  const dnssecOk = edns?.dnssecOk ?? false;
  const asked = { ...question, name: canonicalName(question.name) };
  const message = queryMessage(asked, rd, cd, {
    sizeBytes: UDP_BYTES_MAX,
    version: 0,
    dnssecOk,
    options,
  });
  const extra = options.map(({ code, data }) => `${code}=${Buffer.from(data).toString('hex')}`);
  const { name, type } = asked;
  return { message, key: [name, type, asked.class, rd, cd, dnssecOk, ...extra].join(' ') };
}

/** A query with nothing but a question. */
export function queryMessage(
  question: Question,
  rd: boolean,
  cd: boolean,
  edns: Edns | undefined,
): Message {
  return {
    id: 0,
    opcode: 0,
    rcode: 0,
    qr: false,
    aa: false,
    tc: false,
    rd,
    ra: false,
    // Asks for the AD bit to mean something (RFC 6840 section 5.7); clients that did not ask lose it.
    ad: true,
    cd,
    question,
    answers: [],
    authorities: [],
    additionals: [],
    edns,
  };
}

/** The query in wire form, with an id nobody can guess. */
export function encodeQuery(query: Message): { readonly id: number; readonly wire: Uint8Array } {
  const id = randomInt(0x1_0000);
  return { id, wire: encodeMessage({ ...query, id }) };
}

/**
 * The message, when it is the answer to the query: its id, and the question asked (RFC 5452 section 9).
 * Undefined for anything else, whatever bytes it is.
 */
export function readReply(bytes: Uint8Array, id: number, query: Message): Message | undefined {
  let reply: Message;
  try {
    reply = parseMessage(bytes);
  } catch {
    return undefined;
  }
  const { question } = reply;
  const isOurs =
    reply.qr &&
    reply.id === id &&
    reply.opcode === query.opcode &&
    question.type === query.question.type &&
    question.class === query.question.class &&
    canonicalName(question.name) === query.question.name;
  return isOurs ? reply : undefined;
}
