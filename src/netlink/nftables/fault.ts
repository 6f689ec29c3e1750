import { type AttributeTable, decodeAttributes } from '../attribute.ts';
import { type Ack, faultOf } from '../error.ts';
import { NLMSG_HEADER_BYTES } from '../message.ts';
import { nfgenmsg } from '../netfilter.ts';
import { elementListAttributes } from './attributes.ts';

/**
 * What the kernel points at in a message it refused, in our names: `at expressions[2]`, or
 * `at elements[7], key 0a000001`. Empty when it points at nothing.
 */
export function faultIn(ack: Ack, attributes: AttributeTable, message: Uint8Array): string {
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0, true);
  const payload = message.subarray(NLMSG_HEADER_BYTES, length);
  const fault = faultOf(ack, { header: nfgenmsg, attributes }, payload);
  const index = /^at elements\[(\d+)\]/.exec(fault)?.[1];
  if (index === undefined) return fault;
  const body = payload.subarray(nfgenmsg.sizeBytes);
  const { elements = [] } = decodeAttributes(elementListAttributes, body);
  const key = elements[Number(index)]?.key?.value;
  return key === undefined ? fault : `${fault}, key ${key.toHex()}`;
}
