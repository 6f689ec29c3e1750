import { PodwireError } from '../errors.ts';
import { errnoName } from '../sys/errno.ts';
import { decodeAttributes } from './attribute.ts';
import { type Message, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_HEADER_BYTES } from './message.ts';

/** The kernel refused a request. */
export class NetlinkError extends PodwireError {
  /** What was asked, such as `add link cni0`. */
  readonly operation: string;
  /** The errno, positive. */
  readonly errno: number;
  readonly errnoName: string;
  /** The kernel's own words (extended ack), or empty. */
  readonly extack: string;
  /** Where in the request the kernel saw the fault, in bytes, or undefined. */
  readonly offset: number | undefined;

  constructor(operation: string, ack: Ack) {
    const name = errnoName(ack.errno);
    const words = ack.extack === '' ? '' : `: ${ack.extack}`;
    super('ERR_NETLINK', `${operation}: ${name}${words}`);
    this.operation = operation;
    this.errno = ack.errno;
    this.errnoName = name;
    this.extack = ack.extack;
    this.offset = ack.offset;
  }
}

/** What the kernel says of a request: `errno` 0 is success. */
export interface Ack {
  readonly errno: number;
  readonly extack: string;
  readonly offset: number | undefined;
}

const ackAttributes = {
  message: { id: 1, type: 'string' }, // NLMSGERR_ATTR_MSG
  offset: { id: 2, type: 'u32' }, // NLMSGERR_ATTR_OFFS
} as const;

/** Decodes an NLMSG_ERROR message (struct nlmsgerr and what follows it, linux/netlink.h). */
export function decodeAck(message: Message): Ack {
  const { payload, flags } = message;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const errno = payload.length >= 4 ? -view.getInt32(0, true) : 0;
  if ((flags & NLM_F_ACK_TLVS) === 0 || payload.length < 4 + NLMSG_HEADER_BYTES) {
    return { errno, extack: '', offset: undefined };
  }
  // The request's header comes back, and all of the request unless the kernel capped it.
  const requestBytes = (flags & NLM_F_CAPPED) === 0 ? view.getUint32(4, true) : NLMSG_HEADER_BYTES;
  const start = 4 + ((requestBytes + 3) & ~3);
  const { message: extack, offset } = decodeAttributes(ackAttributes, payload.subarray(start));
  return { errno, extack: extack ?? '', offset };
}

/** The errno of a NetlinkError, or undefined for any other error. */
export function netlinkErrno(error: unknown): number | undefined {
  return error instanceof NetlinkError ? error.errno : undefined;
}
