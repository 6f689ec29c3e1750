import type { AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/* What RTM_NEWLINK and its kin carry (linux/if_link.h), as far as podwire reads or writes it. */

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

/** struct ifinfomsg. */
export const ifinfomsg = struct('ifinfomsg', {
  family: 'u8',
  pad: 'u8',
  type: 'u16',
  index: 's32',
  flags: 'u32',
  change: 'u32',
});

/** IFLA_BR_*: a bridge. */
const bridge = {
  forwardDelay: { id: 1, type: 'u32' },
  stpState: { id: 5, type: 'u32' },
  vlanFiltering: { id: 7, type: 'u8' },
} as const satisfies AttributeTable;

/** IFLA_BRPORT_*: a bridge's port, as the slave data of a link whose master is a bridge. */
const bridgePort = {
  state: { id: 1, type: 'u8' },
  hairpin: { id: 4, type: 'u8' },
  isolated: { id: 33, type: 'u8' },
} as const satisfies AttributeTable;

/** VETH_INFO_*: the peer is a whole link message, header and attributes. */
const veth = { peer: { id: 1, type: 'bytes' } } as const satisfies AttributeTable;

const linkInfo = {
  kind: { id: 1, type: 'string' },
  data: { id: 2, type: { choice: { bridge, veth }, by: 'kind' } },
  slaveKind: { id: 4, type: 'string' },
  slaveData: { id: 5, type: { choice: { bridge: bridgePort }, by: 'slaveKind' } },
} as const satisfies AttributeTable;

/** IFLA_*. */
export const linkAttributes = {
  address: { id: 1, type: 'bytes' },
  broadcast: { id: 2, type: 'bytes' },
  ifname: { id: 3, type: 'string' },
  mtu: { id: 4, type: 'u32' },
  link: { id: 5, type: 'u32' },
  master: { id: 10, type: 'u32' },
  txqlen: { id: 13, type: 'u32' },
  operstate: { id: 16, type: 'u8' },
  linkinfo: { id: 18, type: { nested: linkInfo } },
  netNsFd: { id: 28, type: 'u32' },
  promiscuity: { id: 30, type: 'u32' },
  linkNetnsid: { id: 37, type: 's32' },
} as const satisfies AttributeTable;

/** A link message. */
export const linkPayload = { header: ifinfomsg, attributes: linkAttributes } as const;
