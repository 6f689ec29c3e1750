import type { AttributeTable } from '../attribute.ts';
import { addr } from '../layout.ts';
import { struct } from '../struct.ts';

/* What RTM_NEWNEIGH and its kin carry (linux/neighbour.h). */

export const RTM_NEWNEIGH = 28; // linux/rtnetlink.h
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

/** NUD_*: a neighbour has one of these states, none of them when it is new. */
export const NEIGH_STATES = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;

/** NTF_*, by our names for them. */
export const NEIGH_FLAGS = {
  /** The kernel looks for it at once. */
  use: 1 << 0,
  /** FDB: an entry of the link itself. */
  self: 1 << 1,
  /** FDB: an entry of the bridge the link is a port of. */
  master: 1 << 2,
  /** The kernel answers for the address on the link. */
  proxy: 1 << 3,
  /** Somebody else than the kernel learned it; the kernel does not forget it. */
  externLearn: 1 << 4,
  offloaded: 1 << 5,
  /** FDB: it stays on its port when the address shows up on another one. */
  sticky: 1 << 6,
  router: 1 << 7,
} as const;

/** NTF_EXT_*. */
export const NEIGH_EXT_FLAGS = {
  /** The kernel keeps it reachable. */
  managed: 1 << 0,
  /** FDB: only an address that may not send on a locked port. */
  locked: 1 << 1,
} as const;

/** NDA_*. */
const neighAttributes = {
  dst: { id: 1, type: addr },
  lladdr: { id: 2, type: 'bytes' },
  vlan: { id: 5, type: 'u16' },
  port: { id: 6, type: 'be16' },
  vni: { id: 7, type: 'u32' },
  ifindex: { id: 8, type: 'u32' },
  master: { id: 9, type: 'u32' },
  srcVni: { id: 11, type: 'u32' },
  protocol: { id: 12, type: 'u8' },
  nexthopId: { id: 13, type: 'u32' },
  extFlags: { id: 15, type: 'u32' },
} as const satisfies AttributeTable;

const ndmsg = struct('ndmsg', {
  family: 'u8',
  pad1: 'u8',
  pad2: 'u16',
  ifindex: 's32',
  state: 'u16',
  flags: 'u8',
  type: 'u8',
});

/** A neighbour message. */
export const neighPayload = { header: ndmsg, attributes: neighAttributes } as const;
