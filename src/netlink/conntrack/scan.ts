import { Addr } from '../../ipaddr/addr.ts';
import type { AsyncConnection } from '../async-connection.ts';
import { DecodeError } from '../attribute.ts';
import { nfgenmsg } from '../netfilter.ts';
import { flowAttributes, ipAttributes, protocolAttributes, tupleAttributes } from './attributes.ts';
import { flowOf, listRequest } from './connection.ts';
import type { FlowFilter } from './filter.ts';
import type { Flow } from './flow.ts';

/** Where a flow was sent, and who replies. */
export interface FlowEnds {
  /** Of the direction of the first packet, as it was sent. */
  readonly destination: Addr;
  readonly destinationPort: number;
  /** Of the direction of replies; another than the destination where that is translated. */
  readonly replySource: Addr;
  readonly replySourcePort: number;
}

/**
 * The flows of which `wants` says so; flows without ports are passed over. It is shown their ends
 * alone, which costs a fraction of decoding a flow, and the event loop turns meanwhile.
 */
export async function flowScan(
  connection: AsyncConnection,
  filter: FlowFilter,
  wants: (ends: FlowEnds) => boolean,
): Promise<Flow[]> {
  const found = await connection.dump(listRequest(filter), ({ payload }) => {
    const ends = endsOf(payload);
    return ends !== undefined && wants(ends) ? flowOf(payload) : undefined;
  });
  return found.filter((flow) => flow !== undefined);
}

/** The ends of the flow in a message of a listing. Throws DecodeError. */
function endsOf(payload: Uint8Array): FlowEnds | undefined {
  const message = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const whole = { at: nfgenmsg.sizeBytes, end: payload.length };
  const to = endOf(message, find(message, whole, flowAttributes.original.id), 'destination');
  if (to === undefined) return undefined;
  const from = endOf(message, find(message, whole, flowAttributes.reply.id), 'source');
  if (from === undefined) return undefined;
  return {
    destination: to.addr,
    destinationPort: to.port,
    replySource: from.addr,
    replySourcePort: from.port,
  };
}

/** A part of a message: the inside of an attribute. */
interface Part {
  readonly at: number;
  readonly end: number;
}

function endOf(
  message: DataView,
  tuple: Part | undefined,
  which: 'source' | 'destination',
): { readonly addr: Addr; readonly port: number } | undefined {
  const ip = find(message, tuple, tupleAttributes.ip.id);
  const v4 = find(message, ip, ipAttributes[`${which}4`].id);
  const addr = v4 ?? find(message, ip, ipAttributes[`${which}6`].id);
  const protocol = find(message, tuple, tupleAttributes.protocol.id);
  const port = find(message, protocol, protocolAttributes[`${which}Port`].id);
  if (addr === undefined || port === undefined) return undefined;
  if (addr.end - addr.at !== (v4 === undefined ? 16 : 4) || port.end - port.at !== 2) {
    throw new DecodeError('tuple', 'an address or port of a length that cannot be');
  }
  const word = (index: number): number => message.getInt32(addr.at + index * 4);
  return {
    addr: v4 === undefined ? Addr.v6(word(0), word(1), word(2), word(3)) : Addr.v4(word(0)),
    port: message.getUint16(port.at),
  };
}

const HEADER_BYTES = 4; // sizeof(struct nlattr)
const TYPE_MASK = 0x3fff; // NLA_TYPE_MASK

/** The inside of the attribute with this number. Throws DecodeError on a length that cannot be. */
function find(message: DataView, within: Part | undefined, id: number): Part | undefined {
  if (within === undefined) return undefined;
  for (let { at } = within; at + HEADER_BYTES <= within.end; ) {
    const length = message.getUint16(at, true);
    if (length < HEADER_BYTES || at + length > within.end) {
      throw new DecodeError('flow', `length ${length} where ${within.end - at} bytes are left`);
    }
    if ((message.getUint16(at + 2, true) & TYPE_MASK) === id) {
      return { at: at + HEADER_BYTES, end: at + length };
    }
    at += (length + 3) & ~3;
  }
  return undefined;
}
