import type { AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/* The tables of IPVS's messages (linux/ip_vs.h); integers are in host order but for ports. */

/** struct ip_vs_flags: what is to be, and which bits of it are meant. */
const flags = struct('ip_vs_flags', { flags: 'u32', mask: 'u32' });

/** IPVS_STATS_ATTR_*, in the 64-bit form. */
const statisticsAttributes = {
  connections: { id: 1, type: 'u64' },
  inPackets: { id: 2, type: 'u64' },
  outPackets: { id: 3, type: 'u64' },
  inBytes: { id: 4, type: 'u64' },
  outBytes: { id: 5, type: 'u64' },
  connectionsPerSecond: { id: 6, type: 'u64' },
  inPacketsPerSecond: { id: 7, type: 'u64' },
  outPacketsPerSecond: { id: 8, type: 'u64' },
  inBytesPerSecond: { id: 9, type: 'u64' },
  outBytesPerSecond: { id: 10, type: 'u64' },
} as const satisfies AttributeTable;

/** IPVS_SVC_ATTR_*. */
export const serviceAttributes = {
  family: { id: 1, type: 'u16' },
  protocol: { id: 2, type: 'u16' },
  /** union nf_inet_addr: 16 octets, of which IPv4 uses the first four. */
  address: { id: 3, type: 'bytes' },
  port: { id: 4, type: 'be16' },
  mark: { id: 5, type: 'u32' },
  scheduler: { id: 6, type: 'string' },
  flags: { id: 7, type: { struct: flags } },
  timeout: { id: 8, type: 'u32' },
  /** For IPv4 the mask as packets have it, for IPv6 the number of bits in host order. */
  netmask: { id: 9, type: 'bytes' },
  persistenceEngine: { id: 11, type: 'string' },
  statistics: { id: 12, type: { nested: statisticsAttributes } },
} as const satisfies AttributeTable;

/** IPVS_DEST_ATTR_*. */
export const destinationAttributes = {
  address: { id: 1, type: 'bytes' },
  port: { id: 2, type: 'be16' },
  forwarding: { id: 3, type: 'u32' },
  weight: { id: 4, type: 's32' },
  upperThreshold: { id: 5, type: 'u32' },
  lowerThreshold: { id: 6, type: 'u32' },
  activeConnections: { id: 7, type: 'u32' },
  inactiveConnections: { id: 8, type: 'u32' },
  persistentConnections: { id: 9, type: 'u32' },
  family: { id: 11, type: 'u16' },
  statistics: { id: 12, type: { nested: statisticsAttributes } },
  tunnelType: { id: 13, type: 'u8' },
  tunnelPort: { id: 14, type: 'be16' },
  tunnelFlags: { id: 15, type: 'u16' },
} as const satisfies AttributeTable;

/** IPVS_CMD_ATTR_*. */
export const commandAttributes = {
  service: { id: 1, type: { nested: serviceAttributes } },
  destination: { id: 2, type: { nested: destinationAttributes } },
  timeoutTcp: { id: 4, type: 'u32' },
  timeoutTcpFin: { id: 5, type: 'u32' },
  timeoutUdp: { id: 6, type: 'u32' },
} as const satisfies AttributeTable;

/** IPVS_INFO_ATTR_*. */
export const infoAttributes = {
  version: { id: 1, type: 'u32' },
  connectionTableSize: { id: 2, type: 'u32' },
} as const satisfies AttributeTable;
