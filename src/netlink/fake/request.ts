import { NLMSG_HEADER_BYTES } from '../message.ts';
import { parseRaw, type RawAttributes } from './raw-attributes.ts';

const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;

/** A request as it came to the fake kernel. */
export interface FakeRequest {
  readonly type: number;
  readonly sequence: number;
  readonly wantsAck: boolean;
  /** Of a request that gets something: everything is wanted. */
  readonly isDump: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly replace: boolean;
  readonly append: boolean;
  /** The message's own header, which an ack repeats. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

/** Reads a whole message, header and payload. */
export function readRequest(message: Uint8Array): FakeRequest {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint16(6, true);
  const has = (flag: number): boolean => (flags & flag) === flag;
  return {
    type: view.getUint16(4, true),
    sequence: view.getUint32(8, true),
    wantsAck: has(NLM_F_ACK),
    isDump: has(NLM_F_DUMP),
    create: has(NLM_F_CREATE),
    exclusive: has(NLM_F_EXCL),
    replace: has(NLM_F_REPLACE),
    append: has(NLM_F_APPEND),
    header: message.slice(0, NLMSG_HEADER_BYTES),
    payload: message.slice(NLMSG_HEADER_BYTES),
  };
}

/** The family's header of `headerBytes`, and the attributes after it. */
export function splitPayload(
  payload: Uint8Array,
  headerBytes: number,
): { header: DataView; attributes: RawAttributes } {
  const header = new Uint8Array(headerBytes);
  header.set(payload.subarray(0, headerBytes));
  return {
    header: new DataView(header.buffer),
    attributes: parseRaw(payload.subarray(headerBytes)),
  };
}
