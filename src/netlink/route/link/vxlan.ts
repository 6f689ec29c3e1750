import type { Addr } from '../../../ipaddr/addr.ts';
import type { Attributes, AttributeTable, Layout } from '../../attribute.ts';
import { addr, bool, named } from '../../layout.ts';
import { struct } from '../../struct.ts';

/** Without a payload in requests, where being there means yes; 0 or 1 in answers. */
const presentOrBool: Layout<boolean> = {
  encode: () => undefined,
  decode: (bytes) => bytes.length === 0 || bool.decode(bytes),
};

/** IFLA_VXLAN_*. The kernel has one attribute for each family of an address. */
export const vxlanAttributes = {
  id: { id: 1, type: 'u32' },
  group4: { id: 2, type: addr },
  /** Index of the link packets leave by. */
  linkIndex: { id: 3, type: 'u32' },
  local4: { id: 4, type: addr },
  /** Hop limit of the outer packets; 0 for the route's. */
  ttl: { id: 5, type: 'u8' },
  /** TOS of the outer packets; 1 takes the inner one's. */
  tos: { id: 6, type: 'u8' },
  /** Whether it learns which host an address is behind. */
  learning: { id: 7, type: bool },
  ageingSeconds: { id: 8, type: 'u32' },
  /** How many addresses it knows at most; 0 for no limit. */
  limit: { id: 9, type: 'u32' },
  /** Source ports of the outer packets, one for each flow. */
  portRange: {
    id: 10,
    type: { struct: struct('ifla_vxlan_port_range', { low: 'be16', high: 'be16' }) },
  },
  /** Whether it answers ARP from its neighbour table. */
  proxy: { id: 11, type: bool },
  rsc: { id: 12, type: bool },
  l2miss: { id: 13, type: bool },
  l3miss: { id: 14, type: bool },
  /** UDP port packets are sent to and awaited on: 8472 is Linux's habit, 4789 IANA's. */
  port: { id: 15, type: 'be16' },
  group6: { id: 16, type: addr },
  local6: { id: 17, type: addr },
  udpCsum: { id: 18, type: bool },
  udpZeroCsum6Tx: { id: 19, type: bool },
  udpZeroCsum6Rx: { id: 20, type: bool },
  remcsumTx: { id: 21, type: bool },
  remcsumRx: { id: 22, type: bool },
  /** Group based policy: carries the packet's mark. */
  gbp: { id: 23, type: 'flag' },
  collectMetadata: { id: 25, type: bool },
  label: { id: 26, type: 'be32' },
  gpe: { id: 27, type: 'flag' },
  /** Hop limit of the inner packet. */
  ttlInherit: { id: 28, type: presentOrBool },
  df: { id: 29, type: named(1, { unset: 0, set: 1, inherit: 2 }) },
  vniFilter: { id: 30, type: bool },
  localBypass: { id: 31, type: bool },
} as const satisfies AttributeTable;

type VxlanAttributes = Attributes<typeof vxlanAttributes>;

/** A VXLAN tunnel end (RFC 7348). */
export type Vxlan = Omit<VxlanAttributes, 'group4' | 'group6' | 'local4' | 'local6'> & {
  /** Where packets go whose destination no FDB entry knows: a multicast group, or one host. */
  readonly group?: Addr | undefined;
  /** Source address of the outer packets. */
  readonly local?: Addr | undefined;
};

export function encodeVxlan({ group, local, ttlInherit, ...rest }: Vxlan): VxlanAttributes {
  return {
    ...rest,
    ...(ttlInherit === true ? { ttlInherit } : {}),
    ...(group === undefined ? {} : group.family === 4 ? { group4: group } : { group6: group }),
    ...(local === undefined ? {} : local.family === 4 ? { local4: local } : { local6: local }),
  };
}

export function decodeVxlan(attributes: VxlanAttributes): Vxlan {
  const { group4, group6, local4, local6, ...rest } = attributes;
  const group = group4 ?? group6;
  const local = local4 ?? local6;
  return {
    ...rest,
    ...(group === undefined ? {} : { group }),
    ...(local === undefined ? {} : { local }),
  };
}
