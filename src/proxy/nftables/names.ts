import type { TableRef } from '../../netlink/nftables/family.ts';
import { type DataType, IPV4_ADDR, IPV6_ADDR } from '../../netlink/nftables/types.ts';

/* The names of what podwire has in nftables, as an operator sees them in `nft list ruleset`. */

export type IpFamily = 4 | 6;
export const FAMILIES: readonly IpFamily[] = [4, 6];

/** Podwire's table of each family. */
export const TABLE = {
  4: { family: 'ip', name: 'podwire' },
  6: { family: 'ip6', name: 'podwire' },
} as const satisfies Record<IpFamily, TableRef>;

/** Where the addresses are in the IP header (RFC 791 section 3.1, RFC 8200 section 3). */
export const HEADER = {
  4: { source: 12, destination: 16, bytes: 4, words: 1, type: IPV4_ADDR as DataType },
  6: { source: 8, destination: 24, bytes: 16, words: 4, type: IPV6_ADDR as DataType },
} as const;

/** The sets and maps that are always there. */
export const SET = {
  clusterIPs: 'cluster-ips',
  /** External addresses of Services with externalTrafficPolicy Cluster. */
  externalIPs: 'external-ips',
  /** The same with policy Local: for who comes from outside, and the short way for all others. */
  externalIPsLocal: 'external-ips-local',
  externalIPsShort: 'external-ips-short',
  nodePorts: 'node-ports',
  nodePortsLocal: 'node-ports-local',
  nodePortsShort: 'node-ports-short',
  nodePortAddrs: 'node-port-addrs',
  /** What leads nowhere: refused whoever asks, or dropped for all, or for who comes from outside. */
  refusedIPs: 'refused-ips',
  refusedPorts: 'refused-ports',
  droppedIPs: 'dropped-ips',
  droppedIPsOutside: 'dropped-ips-outside',
  droppedPortsOutside: 'dropped-ports-outside',
  guarded: 'guarded',
  admitted: 'admitted',
  clusterAddrs: 'cluster-addrs',
  serviceRanges: 'service-ranges',
  pods: 'pods',
  hairpin: 'hairpin',
  pickChains: 'pick-chains',
  endpoints: 'endpoints',
  stickySlots: 'sticky-slots',
  stickyEndpoints: 'sticky-endpoints',
} as const;

/** The chains that are always there. */
export const CHAIN = {
  /** Before translation: who may not connect, and what leads nowhere. */
  checkPrerouting: 'check-prerouting',
  checkOutput: 'check-output',
  checkOutside: 'check-outside',
  check: 'check',
  guard: 'guard',
  strays: 'strays',
  refuse: 'refuse',
  discard: 'discard',
  /** Translation. */
  prerouting: 'prerouting',
  output: 'output',
  fromPods: 'from-pods',
  fromNode: 'from-node',
  fromOutside: 'from-outside',
  masquerade: 'masquerade',
  pick: 'pick',
  postrouting: 'postrouting',
} as const;
