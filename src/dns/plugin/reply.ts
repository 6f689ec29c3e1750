import type { Message, ResourceRecord } from '../message/message.ts';
import { EDNS_OPTION } from '../message/numbers.ts';
import { RCODE } from '../wire/constants.ts';
import type { Query, Reply } from './plugin.ts';

/** Extended errors (RFC 8914 section 4) that say why there is no answer. */
export const EXTENDED_ERROR = {
  STALE_ANSWER: 3,
  CACHED_ERROR: 13,
  NOT_READY: 14,
  BLOCKED: 15,
  PROHIBITED: 18,
  STALE_NXDOMAIN_ANSWER: 19,
  NOT_AUTHORITATIVE: 20,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
} as const;

/** What an answer has besides its response code. */
export interface AnswerParts {
  readonly aa?: boolean;
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
  readonly additionals?: readonly ResourceRecord[];
  readonly extendedError?: number;
  readonly extendedText?: string;
}

/** An answer to a query, from the plugin `by`. */
export function answer(query: Query, by: string, rcode: number, parts: AnswerParts = {}): Reply {
  const { request } = query;
  const message: Message = {
    id: request.id,
    opcode: request.opcode,
    rcode,
    qr: true,
    aa: parts.aa ?? false,
    tc: false,
    rd: request.rd,
    ra: true,
    ad: false,
    cd: request.cd,
    question: request.question,
    answers: parts.answers ?? [],
    authorities: parts.authorities ?? [],
    additionals: parts.additionals ?? [],
    edns: undefined,
  };
  const { extendedError, extendedText = '' } = parts;
  const explained =
    extendedError === undefined ? message : withExtendedError(message, extendedError, extendedText);
  return { message: explained, by };
}

/** The message with a reason (RFC 8914), which goes out when the asker spoke EDNS. */
export function withExtendedError(message: Message, code: number, text = ''): Message {
  const data = Uint8Array.of(code >> 8, code & 0xff, ...new TextEncoder().encode(text));
  const { edns } = message;
  const options = (edns?.options ?? []).filter((each) => each.code !== EDNS_OPTION.EXTENDED_ERROR);
  return {
    ...message,
    edns: {
      sizeBytes: edns?.sizeBytes ?? 0,
      version: 0,
      dnssecOk: edns?.dnssecOk ?? false,
      options: [...options, { code: EDNS_OPTION.EXTENDED_ERROR, data }],
    },
  };
}

/** REFUSED: nobody here answers for the name. */
export function refused(query: Query, by: string): Reply {
  return answer(query, by, RCODE.REFUSED, { extendedError: EXTENDED_ERROR.NOT_AUTHORITATIVE });
}

/** What an answer comes to for its asker: CoreDNS's classes. */
export type AnswerClass = 'success' | 'denial' | 'error';

export function answerClass(message: Message): AnswerClass {
  if (message.rcode === RCODE.NXDOMAIN) return 'denial';
  if (message.rcode !== RCODE.NOERROR) return 'error';
  return message.answers.length === 0 ? 'denial' : 'success';
}
