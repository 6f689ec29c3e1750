import {
  encodeMessage,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../message.ts';
import { Writer } from '../writer.ts';
import { encodeRaw, fromText } from './raw-attributes.ts';

/** What a datagram of a dump holds at most, as in the kernel. */
const DUMP_BYTES_MAX = 16 << 10;
const NLM_F_MULTI = 0x2;
const NLMSGERR_ATTR_MSG = 1;

/** An object as a message carries it. */
export interface ObjectMessage {
  readonly type: number;
  /** The family's header and the attributes. */
  readonly payload: Uint8Array;
}

/** A message to those who joined a multicast group. */
export interface FakeEvent extends ObjectMessage {
  readonly group: number;
}

/** The fake kernel says no. */
export class Refusal extends Error {
  readonly errno: number;
  readonly extack: string;

  constructor(errno: number, extack = '') {
    super(`refusal ${errno} ${extack}`);
    this.errno = errno;
    this.extack = extack;
  }
}

/** The datagrams of a dump, and of its end. */
export function dumpDatagrams(
  objects: readonly ObjectMessage[],
  sequence: number,
  interrupted: boolean,
): Uint8Array[] {
  const flags = NLM_F_MULTI | (interrupted ? NLM_F_DUMP_INTR : 0);
  const datagrams: Uint8Array[] = [];
  let writer = new Writer();
  for (const { type, payload } of objects) {
    if (writer.length > 0 && writer.length + payload.length > DUMP_BYTES_MAX) {
      datagrams.push(writer.bytes());
      writer = new Writer();
    }
    append(writer, type, flags, sequence, payload);
  }
  append(writer, NLMSG_DONE, flags, sequence, new Uint8Array(4));
  datagrams.push(writer.bytes());
  return datagrams;
}

/** A datagram of one object or event. */
export function objectDatagram({ type, payload }: ObjectMessage, sequence: number): Uint8Array {
  const writer = new Writer();
  append(writer, type, 0, sequence, payload);
  return writer.bytes();
}

/** The kernel's word on a request whose header is `header`; errno 0 is success. */
export function ackDatagram(header: Uint8Array, errno: number, extack: string): Uint8Array {
  const sequence = new DataView(header.buffer, header.byteOffset).getUint32(8, true);
  const body = new Writer();
  body.u32(-errno);
  body.raw(header);
  if (extack !== '') body.raw(encodeRaw(new Map([[NLMSGERR_ATTR_MSG, fromText(extack)]])));
  const writer = new Writer();
  const flags = NLM_F_CAPPED | (extack === '' ? 0 : NLM_F_ACK_TLVS);
  append(writer, NLMSG_ERROR, flags, sequence, body.bytes());
  return writer.bytes();
}

function append(
  writer: Writer,
  type: number,
  flags: number,
  sequence: number,
  payload: Uint8Array,
): void {
  encodeMessage(writer, { type, flags, sequence }, () => writer.raw(payload));
}
