import type { Addr } from '../../ipaddr/addr.ts';
import type { Attributes } from '../attribute.ts';
import { bitsOf, namesOf } from '../flags.ts';
import type { flowAttributes } from './attributes.ts';
import { decodeTuple, encodeTuple, type Tuple } from './tuple.ts';

/** IPS_* (linux/netfilter/nf_conntrack_common.h). */
export const STATUS = {
  EXPECTED: 1 << 0,
  SEEN_REPLY: 1 << 1,
  ASSURED: 1 << 2,
  CONFIRMED: 1 << 3,
  SRC_NAT: 1 << 4,
  DST_NAT: 1 << 5,
  SEQ_ADJUST: 1 << 6,
  SRC_NAT_DONE: 1 << 7,
  DST_NAT_DONE: 1 << 8,
  DYING: 1 << 9,
  FIXED_TIMEOUT: 1 << 10,
  TEMPLATE: 1 << 11,
  UNTRACKED: 1 << 12,
  HELPER: 1 << 13,
  OFFLOAD: 1 << 14,
  HW_OFFLOAD: 1 << 15,
} as const;

/** What is known of a flow's state, whatever its protocol. */
export type FlowStatus = keyof typeof STATUS;

/** enum tcp_conntrack (linux/netfilter/nf_conntrack_tcp.h), in its order. */
const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** enum sctp_conntrack (linux/netfilter/nf_conntrack_sctp.h), in its order. */
const SCTP_STATES = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
] as const;

type State<T extends readonly string[]> = T[number] | `state ${number}`;

/** What passed in one direction; counted only with net.netfilter.nf_conntrack_acct. */
export interface FlowCounters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** How sequence numbers of one direction are shifted, after a helper changed a packet's length. */
export interface SequenceAdjustment {
  readonly correctionPosition: number;
  readonly offsetBefore: number;
  readonly offsetAfter: number;
}

/** A connection, or what connection tracking takes for one. */
export interface Flow {
  /** Tells it from a later one with the same tuple. */
  readonly id: number;
  /** The direction of the first packet, before any translation. */
  readonly original: Tuple;
  /** The direction of replies as they come in, so its ends are where a translation leads to. */
  readonly reply: Tuple;
  readonly status: readonly FlowStatus[];
  /** Without a packet it is forgotten after this time; not told of one that is gone. */
  readonly timeoutSeconds: number | undefined;
  readonly mark: number;
  /** Flows of different zones are kept apart, even with equal tuples. */
  readonly zone: number;
  readonly useCount: number | undefined;
  readonly tcp:
    | {
        readonly state: State<typeof TCP_STATES>;
        readonly windowScaleOriginal: number;
        readonly windowScaleReply: number;
      }
    | undefined;
  readonly sctp: { readonly state: State<typeof SCTP_STATES> } | undefined;
  readonly counters: { readonly original: FlowCounters; readonly reply: FlowCounters } | undefined;
  /** Nanoseconds since 1970; only with net.netfilter.nf_conntrack_timestamp. */
  readonly timestamp: { readonly startNs: bigint; readonly stopNs: bigint | undefined } | undefined;
  /** Up to 128 bits (connlabel), the first in the lowest bit of the first octet. */
  readonly labels: Uint8Array | undefined;
  readonly helper: string | undefined;
  /** The flow that made this one be expected, such as FTP's control connection. */
  readonly master: Tuple | undefined;
  readonly sequence:
    | { readonly original: SequenceAdjustment; readonly reply: SequenceAdjustment }
    | undefined;
  readonly securityContext: string | undefined;
}

/** The flow a message tells of. Throws DecodeError. */
export function decodeFlow(wire: Attributes<typeof flowAttributes>): Flow {
  const { protocolInfo, timestamp, master } = wire;
  return {
    id: wire.id ?? 0,
    original: decodeTuple('original', wire.original),
    reply: decodeTuple('reply', wire.reply),
    status: namesOf(STATUS, wire.status ?? 0),
    timeoutSeconds: wire.timeout,
    mark: wire.mark ?? 0,
    zone: wire.zone ?? 0,
    useCount: wire.useCount,
    tcp:
      protocolInfo?.tcp === undefined
        ? undefined
        : {
            state: stateOf(TCP_STATES, protocolInfo.tcp.state),
            windowScaleOriginal: protocolInfo.tcp.windowScaleOriginal ?? 0,
            windowScaleReply: protocolInfo.tcp.windowScaleReply ?? 0,
          },
    sctp:
      protocolInfo?.sctp === undefined
        ? undefined
        : { state: stateOf(SCTP_STATES, protocolInfo.sctp.state) },
    counters: countersOf(wire),
    timestamp:
      timestamp?.start === undefined
        ? undefined
        : { startNs: timestamp.start, stopNs: timestamp.stop },
    labels: wire.labels,
    helper: wire.helper?.name,
    master: master === undefined ? undefined : decodeTuple('master', master),
    sequence: sequenceOf(wire),
    securityContext: wire.security?.name,
  };
}

function stateOf<T extends readonly string[]>(states: T, number = 0): State<T> {
  return (states[number] as T[number] | undefined) ?? `state ${number}`;
}

type Wire = Attributes<typeof flowAttributes>;

function countersOf(wire: Wire): Flow['counters'] {
  const { countersOriginal: original, countersReply: reply } = wire;
  if (original === undefined || reply === undefined) return undefined;
  return { original: counted(original), reply: counted(reply) };
}

function counted({ packets = 0n, bytes = 0n }: NonNullable<Wire['countersReply']>): FlowCounters {
  return { packets, bytes };
}

function sequenceOf(wire: Wire): Flow['sequence'] {
  const { sequenceOriginal: original, sequenceReply: reply } = wire;
  if (original === undefined || reply === undefined) return undefined;
  return { original: adjusted(original), reply: adjusted(reply) };
}

function adjusted(wire: NonNullable<Wire['sequenceReply']>): SequenceAdjustment {
  const { correctionPosition = 0, offsetBefore = 0, offsetAfter = 0 } = wire;
  return { correctionPosition, offsetBefore, offsetAfter };
}

/** What of a flow can be changed. Of the status, bits can be set and not cleared again. */
export interface FlowChange {
  readonly status?: readonly FlowStatus[] | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly mark?: number | undefined;
  readonly labels?: Uint8Array | undefined;
  readonly tcpState?: (typeof TCP_STATES)[number] | undefined;
  readonly sctpState?: (typeof SCTP_STATES)[number] | undefined;
}

/** Where a translation leads to. */
export interface FlowNat {
  readonly address: Addr;
  readonly port?: number | undefined;
}

/** A flow as it is made by hand. */
export interface FlowSpec extends FlowChange {
  readonly original: Tuple;
  /** The direction of replies before `nat`, which the kernel works into it. */
  readonly reply: Tuple;
  readonly timeoutSeconds: number;
  readonly zone?: number | undefined;
  readonly nat?: { readonly source?: FlowNat; readonly destination?: FlowNat } | undefined;
  readonly sequence?: Flow['sequence'];
}

/** The attributes that make a flow. */
export function encodeFlow(flow: FlowSpec): Attributes<typeof flowAttributes> {
  return {
    original: encodeTuple(flow.original),
    reply: encodeTuple(flow.reply),
    ...encodeChange(flow),
    zone: flow.zone,
    natSource: encodeNat(flow.nat?.source),
    natDestination: encodeNat(flow.nat?.destination),
    sequenceOriginal: flow.sequence?.original,
    sequenceReply: flow.sequence?.reply,
  };
}

/** The attributes that change a flow. */
export function encodeChange(change: FlowChange): Attributes<typeof flowAttributes> {
  const { status, timeoutSeconds, mark, labels, tcpState, sctpState } = change;
  return {
    status: status === undefined ? undefined : bitsOf(STATUS, status),
    protocolInfo: encodeProtocolInfo(tcpState, sctpState),
    timeout: timeoutSeconds,
    mark,
    labels,
  };
}

function encodeProtocolInfo(
  tcp: FlowChange['tcpState'],
  sctp: FlowChange['sctpState'],
): Attributes<typeof flowAttributes>['protocolInfo'] {
  if (tcp !== undefined) return { tcp: { state: TCP_STATES.indexOf(tcp) } };
  if (sctp === undefined) return undefined;
  // The kernel takes the state of SCTP only together with the tags of both ends.
  return { sctp: { state: SCTP_STATES.indexOf(sctp), tagOriginal: 0, tagReply: 0 } };
}

function encodeNat(
  nat: FlowNat | undefined,
): Attributes<typeof flowAttributes>['natSource'] | undefined {
  if (nat === undefined) return undefined;
  const { address, port } = nat;
  const bytes = address.toBytes();
  const range = address.family === 4 ? { min4: bytes, max4: bytes } : { min6: bytes, max6: bytes };
  return { ...range, port: port === undefined ? undefined : { min: port, max: port } };
}
