import { decodePayload, type Message } from '../message.ts';
import { nfgenmsg } from '../netfilter.ts';
import { traceAttributes } from './attributes.ts';
import type { Verdict } from './expression/verdict.ts';
import { type Family, familyOf } from './family.ts';
import { messageType } from './message-type.ts';

/** NFNLGRP_NFTRACE (linux/netfilter/nfnetlink.h): the multicast group that tells of packets. */
export const NFNLGRP_NFTRACE = 9;

/** enum nft_trace_types. */
const TRACE_TYPE: ReadonlyMap<number, 'policy' | 'return' | 'rule'> = new Map([
  [1, 'policy'],
  [2, 'return'],
  [3, 'rule'],
]);

/** One step of a traced packet's way: a rule that matched, or the end of a chain. */
export interface TraceEvent {
  /** Which packet, as far as 32 bits tell. */
  readonly id: number;
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** A rule that matched, a chain that ended for its caller, or a base chain's policy. */
  readonly type: 'rule' | 'return' | 'policy';
  readonly ruleHandle: bigint | undefined;
  readonly verdict: Verdict | undefined;
  /** What the base chain does at its end: 0 drops, 1 accepts. */
  readonly policy: number | undefined;
  /** Interface numbers. */
  readonly iif: number | undefined;
  readonly oif: number | undefined;
  readonly mark: number | undefined;
  /** The protocol of the packet, in a table that sees several. */
  readonly protocol: Family | undefined;
  /** The beginnings of the headers, told of once for each packet and chain. */
  readonly linkHeader: Uint8Array | undefined;
  readonly networkHeader: Uint8Array | undefined;
  readonly transportHeader: Uint8Array | undefined;
  /** The connection the packet is of, since Linux 6.16; `status` and `state` as `ct` has them. */
  readonly connection:
    | {
        readonly id: number;
        readonly direction: 'original' | 'reply' | undefined;
        readonly status: number | undefined;
        readonly state: number | undefined;
      }
    | undefined;
}

/** The event a message of NFNLGRP_NFTRACE tells of; undefined for any other. Throws DecodeError. */
export function decodeTrace(message: Message): TraceEvent | undefined {
  if (message.type !== messageType('TRACE')) return undefined;
  const payload = { header: nfgenmsg, attributes: traceAttributes };
  const { header, attributes } = decodePayload(payload, message.payload);
  const family = familyOf(header.family);
  const type = TRACE_TYPE.get(attributes.type ?? 0);
  if (family === undefined || type === undefined) return undefined;
  const { id = 0, table = '', chain = '', verdict } = attributes;
  return {
    id,
    family,
    table,
    chain,
    type,
    ruleHandle: attributes.ruleHandle,
    verdict: verdict === undefined ? undefined : { ...verdict, code: verdict.code ?? 0 },
    policy: attributes.policy,
    iif: attributes.iif,
    oif: attributes.oif,
    mark: attributes.mark,
    protocol: attributes.nfproto === undefined ? undefined : familyOf(attributes.nfproto),
    linkHeader: attributes.linkHeader,
    networkHeader: attributes.networkHeader,
    transportHeader: attributes.transportHeader,
    connection: connectionOf(attributes),
  };
}

function connectionOf(
  attributes: ReturnType<typeof decodePayload<never, typeof traceAttributes>>['attributes'],
): TraceEvent['connection'] {
  const { connectionId: id, connectionDirection: direction } = attributes;
  if (id === undefined) return undefined;
  return {
    id,
    direction: direction === undefined ? undefined : direction === 0 ? 'original' : 'reply',
    status: attributes.connectionStatus,
    state: attributes.connectionState,
  };
}
