import { Addr } from '../../../ipaddr/addr.ts';
import {
  type Attributes,
  type AttributeTable,
  DecodeError,
  decodeAttributes,
  encodeAttributes,
  type Layout,
} from '../../attribute.ts';
import { addr } from '../../layout.ts';
import { struct } from '../../struct.ts';
import { addressFamily, ipVersion } from '../family.ts';

const RTNH_F_DEAD = 1; // linux/rtnetlink.h
export const RTNH_F_ONLINK = 4;
const RTNH_F_LINKDOWN = 16;

/** Where packets of a route go, one of several places. */
export interface Nexthop {
  readonly gateway?: Addr | undefined;
  readonly linkIndex?: number | undefined;
  /** Its share of the flows beside the others', 1 to 256; 1 by default. */
  readonly weight?: number | undefined;
  /** The gateway counts as reachable on the link whatever the addresses there say. */
  readonly onlink?: boolean | undefined;
  /** Read only: not used, for its link is down or has no carrier. */
  readonly dead?: boolean | undefined;
  readonly linkDown?: boolean | undefined;
}

/** struct rtvia: a gateway of another family than the route's. */
const via: Layout<Addr> = {
  encode(writer, value) {
    writer.u16(addressFamily(value.family));
    writer.raw(value.toBytes());
  },
  decode(bytes) {
    const version = ipVersion(bytes[0] ?? 0);
    if (version === undefined || bytes.length !== (version === 4 ? 6 : 18)) {
      throw new DecodeError('', `${bytes.length} bytes are no address with its family`);
    }
    return Addr.fromBytes(bytes.subarray(2));
  },
};

/** RTA_*: the gateway of a route or of one of its next hops. */
export const gatewayAttributes = {
  gateway: { id: 5, type: addr },
  via: { id: 18, type: via },
} as const satisfies AttributeTable;

type GatewayAttributes = Attributes<typeof gatewayAttributes>;

/** The attribute for a gateway of a route of the family. */
export function encodeGateway(gateway: Addr | undefined, family: 4 | 6): GatewayAttributes {
  if (gateway === undefined) return {};
  return gateway.family === family ? { gateway } : { via: gateway };
}

/** What the flags RTNH_F_* say, of a route or a next hop: only what is set. */
export function decodeNexthopFlags(flags: number) {
  return {
    ...((flags & RTNH_F_ONLINK) === 0 ? {} : { onlink: true }),
    ...((flags & RTNH_F_DEAD) === 0 ? {} : { dead: true }),
    ...((flags & RTNH_F_LINKDOWN) === 0 ? {} : { linkDown: true }),
  };
}

const rtnexthop = struct('rtnexthop', { length: 'u16', flags: 'u8', hops: 'u8', index: 's32' });

/** A next hop as it is on the wire. */
type WireNexthop = Omit<Nexthop, 'gateway'> & GatewayAttributes;

/** RTA_MULTIPATH: for each next hop a struct rtnexthop with attributes behind it. */
export const multipath: Layout<readonly WireNexthop[]> = {
  encode(writer, nexthops) {
    for (const { linkIndex, weight, onlink, ...attributes } of nexthops) {
      const start = writer.length;
      const flags = onlink === true ? RTNH_F_ONLINK : 0;
      rtnexthop.encode(writer, { flags, hops: (weight ?? 1) - 1, index: linkIndex ?? 0 });
      const { gateway, via: other } = attributes;
      encodeAttributes(writer, gatewayAttributes, { gateway, via: other });
      writer.patchU16(start, writer.length - start);
    }
  },
  decode(bytes) {
    const nexthops: WireNexthop[] = [];
    for (let at = 0; at + rtnexthop.sizeBytes <= bytes.length; ) {
      const { length, flags, hops, index } = rtnexthop.decode(bytes.subarray(at));
      if (length < rtnexthop.sizeBytes || at + length > bytes.length) {
        throw new DecodeError('', `next hop of ${length} bytes, ${bytes.length - at} are left`);
      }
      const attributes = bytes.subarray(at + rtnexthop.sizeBytes, at + length);
      const { gateway, via: other } = decodeAttributes(gatewayAttributes, attributes);
      nexthops.push({
        gateway,
        via: other,
        linkIndex: index,
        weight: hops + 1,
        ...decodeNexthopFlags(flags),
      });
      at += (length + 3) & ~3;
    }
    return nexthops;
  },
};
