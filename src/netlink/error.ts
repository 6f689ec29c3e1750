import { PodwireError } from '../errors.ts';
import { errnoName } from '../sys/errno.ts';
import type { Attributes } from './attribute.ts';
import { type AttributeTable, decodeAttributes } from './attribute.ts';
import { nameOf, placeAt } from './locate.ts';
import {
  type AnyPayload,
  type Message,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_HEADER_BYTES,
} from './message.ts';

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
  /** What is there or lacking, such as `at linkinfo.data.bridge.stpState`, or empty. */
  readonly fault: string;

  /** `fault` comes from `faultOf`, where the request is still at hand. */
  constructor(operation: string, ack: Ack, fault = '') {
    const name = errnoName(ack.errno);
    const words = ack.extack === '' ? '' : `: ${ack.extack}`;
    super('ERR_NETLINK', `${operation}: ${name}${words}${fault === '' ? '' : ` (${fault})`}`);
    this.operation = operation;
    this.errno = ack.errno;
    this.errnoName = name;
    this.extack = ack.extack;
    this.offset = ack.offset;
    this.fault = fault;
  }
}

/** What the kernel says of a request: `errno` 0 is success. */
export interface Ack {
  readonly errno: number;
  readonly extack: string;
  /** The byte of the request that the fault is at. */
  readonly offset: number | undefined;
  /** The number of an attribute that is missing, and where the nest is that lacks it. */
  readonly missing?: { readonly id: number; readonly nestOffset: number | undefined } | undefined;
  /** What the kernel would have taken, such as `1 to 64`, or empty. */
  readonly expected?: string | undefined;
}

/** NL_POLICY_TYPE_ATTR_*: what an attribute has to be. */
const policyAttributes = {
  minSigned: { id: 2, type: 's64' },
  maxSigned: { id: 3, type: 's64' },
  min: { id: 4, type: 'u64' },
  max: { id: 5, type: 'u64' },
  minLength: { id: 6, type: 'u32' },
  maxLength: { id: 7, type: 'u32' },
  bitfieldMask: { id: 10, type: 'u32' },
  mask: { id: 12, type: 'u64' },
} as const satisfies AttributeTable;

/** NLMSGERR_ATTR_*. */
const ackAttributes = {
  message: { id: 1, type: 'string' },
  offset: { id: 2, type: 'u32' },
  policy: { id: 4, type: { nested: policyAttributes } },
  missingType: { id: 5, type: 'u32' },
  missingNest: { id: 6, type: 'u32' },
} as const satisfies AttributeTable;

/** Decodes an NLMSG_ERROR message (struct nlmsgerr and what follows it, linux/netlink.h). */
export function decodeAck(message: Message): Ack {
  const { payload, flags } = message;
  const errno = 0 - resultOf(payload);
  if ((flags & NLM_F_ACK_TLVS) === 0 || payload.length < 4 + NLMSG_HEADER_BYTES) {
    return { errno, extack: '', offset: undefined };
  }
  // The request's header comes back, and all of the request unless the kernel capped it.
  const capped = (flags & NLM_F_CAPPED) !== 0;
  const requestBytes = capped ? NLMSG_HEADER_BYTES : viewOf(payload).getUint32(4, true);
  return withExtack(errno, payload.subarray(4 + ((requestBytes + 3) & ~3)));
}

/** Decodes NLMSG_DONE, which ends a dump and may carry the errno the dump failed with. */
export function decodeDone(message: Message): Ack {
  const { payload, flags } = message;
  const result = resultOf(payload);
  const errno = result < 0 ? -result : 0;
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, extack: '', offset: undefined };
  return withExtack(errno, payload.subarray(4));
}

function withExtack(errno: number, bytes: Uint8Array): Ack {
  const { message, offset, policy, missingType, missingNest } = decodeAttributes(
    ackAttributes,
    bytes,
  );
  return {
    errno,
    extack: message ?? '',
    offset,
    missing: missingType === undefined ? undefined : { id: missingType, nestOffset: missingNest },
    expected: policy === undefined ? undefined : expectation(policy),
  };
}

function resultOf(payload: Uint8Array): number {
  return payload.length >= 4 ? viewOf(payload).getInt32(0, true) : 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function expectation(policy: Attributes<typeof policyAttributes>): string {
  const min = policy.minSigned ?? policy.min;
  const max = policy.maxSigned ?? policy.max;
  const { minLength, maxLength } = policy;
  const mask = policy.bitfieldMask ?? policy.mask;
  if (min !== undefined && max !== undefined) return `${min} to ${max}`;
  if (mask !== undefined) return `bits of 0x${mask.toString(16)}`;
  if (minLength !== undefined && minLength === maxLength) return `${minLength} bytes`;
  if (maxLength !== undefined) return `${minLength ?? 0} to ${maxLength} bytes`;
  return minLength === undefined ? '' : `${minLength} bytes or more`;
}

/**
 * What the kernel's answer points at, by the names of our tables: `at linkinfo.data.bridge.stpState`,
 * `linkinfo.kind is missing`. `bytes` is what followed the message's header in the request.
 */
export function faultOf(ack: Ack, payload: AnyPayload, bytes: Uint8Array): string {
  const { offset, missing } = ack;
  const { attributes, header } = payload;
  const encoded = bytes.subarray(header.sizeBytes);
  const place = (at: number) =>
    placeAt(attributes, encoded, at - NLMSG_HEADER_BYTES - header.sizeBytes);
  if (missing !== undefined) {
    const { id, nestOffset } = missing;
    // The offset is that of the nest's header.
    const nest = nestOffset === undefined ? { path: '', table: attributes } : place(nestOffset);
    return `${nest.path === '' ? '' : `${nest.path}.`}${nameOf(nest.table, id)} is missing`;
  }
  if (offset === undefined) return '';
  const { path } = place(offset);
  const expected = ack.expected ?? '';
  const where = path === '' ? `at byte ${offset}` : `at ${path}`;
  return expected === '' ? where : `${where}, expected ${expected}`;
}

/** The errno of a NetlinkError, or undefined for any other error. */
export function netlinkErrno(error: unknown): number | undefined {
  return error instanceof NetlinkError ? error.errno : undefined;
}
