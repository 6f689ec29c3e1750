import type { AttributeTable } from '../../attribute.ts';
import { addr, flagSet, named } from '../../layout.ts';
import { struct } from '../../struct.ts';
import { gatewayAttributes, multipath } from './nexthop.ts';

/* What RTM_NEWROUTE and its kin carry (linux/rtnetlink.h). */

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

/** The routing table of one's own routes, RT_TABLE_MAIN. */
export const TABLE_MAIN = 254;
/** The kernel's table of its own addresses, RT_TABLE_LOCAL. */
export const TABLE_LOCAL = 255;
/** A route through a gateway, RT_SCOPE_UNIVERSE. */
export const SCOPE_UNIVERSE = 0;
/** A route to what is directly on the link, RT_SCOPE_LINK. */
export const SCOPE_LINK = 253;
/** A route to this node, RT_SCOPE_HOST. */
export const SCOPE_HOST = 254;
/** No such destination, RT_SCOPE_NOWHERE; deleting with it matches any scope. */
export const SCOPE_NOWHERE = 255;

/** RTAX_*: what connections by the route start from. */
const metricAttributes = {
  /** Those that path MTU discovery and its like must not change. */
  locked: { id: 1, type: flagSet(4, { mtu: 1 << 2, advmss: 1 << 8, initcwnd: 1 << 11 }) },
  /** Octets, as is `advmss`; windows count segments, `window` octets. */
  mtu: { id: 2, type: 'u32' },
  window: { id: 3, type: 'u32' },
  advmss: { id: 8, type: 'u32' },
  hoplimit: { id: 10, type: 'u32' },
  initcwnd: { id: 11, type: 'u32' },
  initrwnd: { id: 14, type: 'u32' },
  quickack: { id: 15, type: 'u32' },
  /** Congestion control, such as `bbr`. */
  congctl: { id: 16, type: 'string' },
} as const satisfies AttributeTable;

/** RTA_*. */
const routeAttributes = {
  dst: { id: 1, type: addr },
  src: { id: 2, type: addr },
  iif: { id: 3, type: 'u32' },
  oif: { id: 4, type: 'u32' },
  ...gatewayAttributes,
  priority: { id: 6, type: 'u32' },
  prefsrc: { id: 7, type: addr },
  metrics: { id: 8, type: { nested: metricAttributes } },
  multipath: { id: 9, type: multipath },
  table: { id: 15, type: 'u32' },
  mark: { id: 16, type: 'u32' },
  preference: { id: 20, type: named(1, { medium: 0, high: 1, low: 3 }) },
  uid: { id: 25, type: 'u32' },
  ipProto: { id: 27, type: 'u8' },
  sport: { id: 28, type: 'be16' },
  dport: { id: 29, type: 'be16' },
  nexthopId: { id: 30, type: 'u32' },
} as const satisfies AttributeTable;

const rtmsg = struct('rtmsg', {
  family: 'u8',
  dstLength: 'u8',
  srcLength: 'u8',
  tos: 'u8',
  table: 'u8',
  protocol: 'u8',
  scope: 'u8',
  type: 'u8',
  flags: 'u32',
});

/** A route message. */
export const routePayload = { header: rtmsg, attributes: routeAttributes } as const;
