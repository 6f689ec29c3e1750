import {
  type Attributes,
  type AttributeTable,
  DecodeError,
  decodeAttributes,
  encodeAttributes,
} from './attribute.ts';
import type { Struct, StructDecoded, StructFields, StructValues } from './struct.ts';
import { Writer } from './writer.ts';

/* Message types every family has, and the request flags (linux/netlink.h). */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
/** On an answer: the kernel understood the filter of the dump and applied it. */
export const NLM_F_DUMP_FILTERED = 0x20;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_DUMP = 0x300;
/** On an NLMSG_ERROR: only the request's header is repeated in it. */
export const NLM_F_CAPPED = 0x100;
/** On an NLMSG_ERROR: attributes with the kernel's own words follow. */
export const NLM_F_ACK_TLVS = 0x200;

/** sizeof(struct nlmsghdr). */
export const NLMSG_HEADER_BYTES = 16;

/** One netlink message as it came, the payload still encoded. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Valid until the next receive. */
  readonly payload: Uint8Array;
}

/** Appends one message to `writer`; `writePayload` produces what follows the header. */
export function encodeMessage(
  writer: Writer,
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  writePayload: () => void,
): void {
  const start = writer.skip(NLMSG_HEADER_BYTES);
  writePayload();
  writer.patchU32(start, writer.length - start);
  writer.patchU16(start + 4, header.type);
  writer.patchU16(start + 6, header.flags);
  writer.patchU32(start + 8, header.sequence);
  writer.align();
}

/** Splits one datagram into its messages. Throws DecodeError on a length that cannot be. */
export function* splitMessages(datagram: Uint8Array): Generator<Message> {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  for (let at = 0; at + NLMSG_HEADER_BYTES <= datagram.length; ) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HEADER_BYTES || at + length > datagram.length) {
      throw new DecodeError('message', `length ${length} in a datagram of ${datagram.length}`);
    }
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: datagram.subarray(at + NLMSG_HEADER_BYTES, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** The payload of one kind of message: a fixed header, then attributes. */
export interface Payload<F extends StructFields, T extends AttributeTable> {
  readonly header: Struct<F>;
  readonly attributes: T;
}

/** A payload of any kind. */
export type AnyPayload = Payload<StructFields, AttributeTable>;

let traced: { readonly writer: Writer; payload: AnyPayload | undefined } | undefined;

/**
 * Runs `write` once more to learn what it writes: the bytes, and the payload that describes them,
 * where it is one that encodePayload appended. For explaining a refusal.
 */
export function tracePayload(write: (writer: Writer) => void): {
  readonly bytes: Uint8Array;
  readonly payload: AnyPayload | undefined;
} {
  const trace = { writer: new Writer(), payload: undefined };
  traced = trace;
  try {
    write(trace.writer);
  } finally {
    traced = undefined;
  }
  return { bytes: trace.writer.bytes(), payload: trace.payload };
}

/** Appends a payload to `writer`. */
export function encodePayload<F extends StructFields, T extends AttributeTable>(
  writer: Writer,
  payload: Payload<F, T>,
  header: StructValues<F>,
  attributes: Attributes<T>,
): void {
  if (traced?.writer === writer && writer.length === 0) traced.payload = payload;
  payload.header.encode(writer, header);
  encodeAttributes(writer, payload.attributes, attributes);
}

/** Decodes a payload. Throws DecodeError. */
export function decodePayload<F extends StructFields, T extends AttributeTable>(
  payload: Payload<F, T>,
  bytes: Uint8Array,
): { header: StructDecoded<F>; attributes: Attributes<T> } {
  return {
    header: payload.header.decode(bytes),
    attributes: decodeAttributes(payload.attributes, bytes.subarray(payload.header.sizeBytes)),
  };
}
