import type { AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/* The tables of ctnetlink's messages (linux/netfilter/nfnetlink_conntrack.h); integers are big-endian. */

/** CTA_IP_*. */
export const ipAttributes = {
  source4: { id: 1, type: 'bytes' },
  destination4: { id: 2, type: 'bytes' },
  source6: { id: 3, type: 'bytes' },
  destination6: { id: 4, type: 'bytes' },
} as const satisfies AttributeTable;

/** CTA_PROTO_*. */
export const protocolAttributes = {
  number: { id: 1, type: 'u8' },
  sourcePort: { id: 2, type: 'be16' },
  destinationPort: { id: 3, type: 'be16' },
  icmpId: { id: 4, type: 'be16' },
  icmpType: { id: 5, type: 'u8' },
  icmpCode: { id: 6, type: 'u8' },
  icmp6Id: { id: 7, type: 'be16' },
  icmp6Type: { id: 8, type: 'u8' },
  icmp6Code: { id: 9, type: 'u8' },
} as const satisfies AttributeTable;

/** CTA_TUPLE_*. */
export const tupleAttributes = {
  ip: { id: 1, type: { nested: ipAttributes } },
  protocol: { id: 2, type: { nested: protocolAttributes } },
  zone: { id: 3, type: 'be16' },
} as const satisfies AttributeTable;

/** struct nf_ct_tcp_flags (linux/netfilter/nf_conntrack_tcp.h). */
const tcpFlags = struct('nf_ct_tcp_flags', { flags: 'u8', mask: 'u8' });

/** CTA_PROTOINFO_TCP_*. */
const tcpAttributes = {
  state: { id: 1, type: 'u8' },
  windowScaleOriginal: { id: 2, type: 'u8' },
  windowScaleReply: { id: 3, type: 'u8' },
  flagsOriginal: { id: 4, type: { struct: tcpFlags } },
  flagsReply: { id: 5, type: { struct: tcpFlags } },
} as const satisfies AttributeTable;

/** CTA_PROTOINFO_SCTP_*. */
const sctpAttributes = {
  state: { id: 1, type: 'u8' },
  tagOriginal: { id: 2, type: 'be32' },
  tagReply: { id: 3, type: 'be32' },
} as const satisfies AttributeTable;

/** CTA_PROTOINFO_*. */
const protocolInfoAttributes = {
  tcp: { id: 1, type: { nested: tcpAttributes } },
  sctp: { id: 3, type: { nested: sctpAttributes } },
} as const satisfies AttributeTable;

/** CTA_HELP_*. */
const helperAttributes = { name: { id: 1, type: 'string' } } as const satisfies AttributeTable;

/** CTA_PROTONAT_*. */
const natPortAttributes = {
  min: { id: 1, type: 'be16' },
  max: { id: 2, type: 'be16' },
} as const satisfies AttributeTable;

/** CTA_NAT_*: only sent; a listing tells of a translation by the tuples' difference. */
const natAttributes = {
  min4: { id: 1, type: 'bytes' },
  max4: { id: 2, type: 'bytes' },
  port: { id: 3, type: { nested: natPortAttributes } },
  min6: { id: 4, type: 'bytes' },
  max6: { id: 5, type: 'bytes' },
} as const satisfies AttributeTable;

/** CTA_COUNTERS_*. */
const counterAttributes = {
  packets: { id: 1, type: 'be64' },
  bytes: { id: 2, type: 'be64' },
} as const satisfies AttributeTable;

/** CTA_SEQADJ_*. */
const sequenceAttributes = {
  correctionPosition: { id: 1, type: 'be32' },
  offsetBefore: { id: 2, type: 'be32' },
  offsetAfter: { id: 3, type: 'be32' },
} as const satisfies AttributeTable;

/** CTA_SECCTX_*. */
const securityAttributes = { name: { id: 1, type: 'string' } } as const satisfies AttributeTable;

/** CTA_TIMESTAMP_*. */
const timestampAttributes = {
  start: { id: 1, type: 'be64' },
  stop: { id: 2, type: 'be64' },
} as const satisfies AttributeTable;

/** CTA_SYNPROXY_*. */
const synproxyAttributes = {
  initialSequence: { id: 1, type: 'be32' },
  initialTimestamp: { id: 2, type: 'be32' },
  timestampOffset: { id: 3, type: 'be32' },
} as const satisfies AttributeTable;

/** CTA_FILTER_*: which fields of the tuples in the same request must be equal; in host order. */
const filterAttributes = {
  original: { id: 1, type: 'u32' },
  reply: { id: 2, type: 'u32' },
} as const satisfies AttributeTable;

/** CTA_*. */
export const flowAttributes = {
  original: { id: 1, type: { nested: tupleAttributes } },
  reply: { id: 2, type: { nested: tupleAttributes } },
  status: { id: 3, type: 'be32' },
  protocolInfo: { id: 4, type: { nested: protocolInfoAttributes } },
  helper: { id: 5, type: { nested: helperAttributes } },
  natSource: { id: 6, type: { nested: natAttributes } },
  timeout: { id: 7, type: 'be32' },
  mark: { id: 8, type: 'be32' },
  countersOriginal: { id: 9, type: { nested: counterAttributes } },
  countersReply: { id: 10, type: { nested: counterAttributes } },
  useCount: { id: 11, type: 'be32' },
  id: { id: 12, type: 'be32' },
  natDestination: { id: 13, type: { nested: natAttributes } },
  master: { id: 14, type: { nested: tupleAttributes } },
  sequenceOriginal: { id: 15, type: { nested: sequenceAttributes } },
  sequenceReply: { id: 16, type: { nested: sequenceAttributes } },
  zone: { id: 18, type: 'be16' },
  security: { id: 19, type: { nested: securityAttributes } },
  timestamp: { id: 20, type: { nested: timestampAttributes } },
  markMask: { id: 21, type: 'be32' },
  labels: { id: 22, type: 'bytes' },
  labelsMask: { id: 23, type: 'bytes' },
  synproxy: { id: 24, type: { nested: synproxyAttributes } },
  filter: { id: 25, type: { nested: filterAttributes } },
  statusMask: { id: 26, type: 'be32' },
} as const satisfies AttributeTable;

/** CTA_STATS_GLOBAL_*. */
export const globalStatisticsAttributes = {
  entries: { id: 1, type: 'be32' },
  entriesMax: { id: 2, type: 'be32' },
} as const satisfies AttributeTable;

/** CTA_STATS_*. */
export const cpuStatisticsAttributes = {
  found: { id: 2, type: 'be32' },
  invalid: { id: 4, type: 'be32' },
  insert: { id: 8, type: 'be32' },
  insertFailed: { id: 9, type: 'be32' },
  drop: { id: 10, type: 'be32' },
  earlyDrop: { id: 11, type: 'be32' },
  error: { id: 12, type: 'be32' },
  searchRestart: { id: 13, type: 'be32' },
  clashResolve: { id: 14, type: 'be32' },
  chainTooLong: { id: 15, type: 'be32' },
} as const satisfies AttributeTable;
