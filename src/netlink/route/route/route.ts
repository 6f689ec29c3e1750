import { Addr } from '../../../ipaddr/addr.ts';
import type { Prefix } from '../../../ipaddr/prefix.ts';
import { type Attributes, DecodeError } from '../../attribute.ts';
import { prefixOf } from '../../layout.ts';
import { decodePayload, type Message } from '../../message.ts';
import { ipVersion } from '../family.ts';
import { decodeNexthopFlags, encodeGateway, type Nexthop, RTNH_F_ONLINK } from './nexthop.ts';
import {
  routePayload,
  SCOPE_HOST,
  SCOPE_LINK,
  SCOPE_UNIVERSE,
  TABLE_LOCAL,
  TABLE_MAIN,
} from './table.ts';
import { type RouteType, routeTypeName, routeTypeNumber } from './type.ts';

const RTPROT_BOOT = 3; // linux/rtnetlink.h

type Metrics = NonNullable<Attributes<(typeof routePayload)['attributes']>['metrics']>;

/** A route. */
export interface Route extends Omit<Metrics, 'unknown'> {
  /** The destination; the default route is `0.0.0.0/0` or `::/0`. */
  readonly dst: Prefix;
  /** By default `unicast`: packets are sent on. */
  readonly type?: RouteType | undefined;
  readonly gateway?: Addr | undefined;
  /** Index of the link packets leave by. */
  readonly linkIndex?: number | undefined;
  /** Several ways, in place of `gateway` and `linkIndex`. */
  readonly nexthops?: readonly Nexthop[] | undefined;
  /** Number of a next hop object, in place of all of those. */
  readonly nexthopId?: number | undefined;
  /** The gateway counts as reachable on the link whatever the addresses there say. */
  readonly onlink?: boolean | undefined;
  /** RT_SCOPE_*; by default that of a route through a gateway, or on the link without one. */
  readonly scope?: number | undefined;
  /** Routing table, by default the main one, or the kernel's own for `local` and `broadcast`. */
  readonly table?: number | undefined;
  /** The metric: of equal routes the lowest wins. */
  readonly priority?: number | undefined;
  /** RTPROT_*: who made the route; by default `boot`, as for a route by hand. */
  readonly protocol?: number | undefined;
  /** The source address of packets that have none yet (`src` of ip-route(8)). */
  readonly source?: Addr | undefined;
  /** Only packets from there take it (`from` of ip-route(8)); IPv6. */
  readonly from?: Prefix | undefined;
  /** Only packets of this type of service take it; IPv4. */
  readonly tos?: number | undefined;
  /** RFC 4191; IPv6. */
  readonly preference?: 'low' | 'medium' | 'high' | number | undefined;
  /** Read only: not used, for its link is down or has no carrier. */
  readonly dead?: boolean | undefined;
  readonly linkDown?: boolean | undefined;
}

/** A route as the kernel has it: nothing is left to defaults. */
export interface KernelRoute extends Route {
  readonly type: RouteType;
  readonly scope: number;
  readonly table: number;
  readonly protocol: number;
}

/** The header and attributes of a route. */
export function encodeRoute(route: Route) {
  const { dst, from, type = 'unicast', table = defaultTable(type) } = route;
  const { family } = dst.addr;
  const { locked, mtu, window, advmss, hoplimit, initcwnd, initrwnd, quickack, congctl } = route;
  const all = { locked, mtu, window, advmss, hoplimit, initcwnd, initrwnd, quickack, congctl };
  const hasMetrics = Object.values(all).some((value) => value !== undefined);
  const header = {
    dstLength: dst.bits,
    srcLength: from?.bits ?? 0,
    tos: route.tos ?? 0,
    protocol: route.protocol ?? RTPROT_BOOT,
    scope: route.scope ?? defaultScope(route),
    type: routeTypeNumber(type),
    flags: route.onlink === true ? RTNH_F_ONLINK : 0,
  };
  const attributes = {
    dst: dst.bits === 0 ? undefined : dst.masked().addr,
    src: from?.masked().addr,
    oif: route.linkIndex,
    ...encodeGateway(route.gateway, family),
    priority: route.priority,
    prefsrc: route.source,
    metrics: hasMetrics ? all : undefined,
    multipath: route.nexthops?.map(({ gateway, ...nexthop }) => ({
      ...nexthop,
      ...encodeGateway(gateway, family),
    })),
    table,
    preference: route.preference,
    nexthopId: route.nexthopId,
  };
  return { header, attributes };
}

function defaultTable(type: RouteType): number {
  const isOwn = type === 'local' || type === 'broadcast' || type === 'anycast';
  return isOwn ? TABLE_LOCAL : TABLE_MAIN;
}

/** As ip-route(8) has it: IPv6 knows no scopes. */
function defaultScope({ dst, type = 'unicast', gateway, nexthops, nexthopId }: Route): number {
  if (dst.addr.family === 6) return SCOPE_UNIVERSE;
  if (type === 'local') return SCOPE_HOST;
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return SCOPE_LINK;
  const isDirect = gateway === undefined && nexthops === undefined && nexthopId === undefined;
  return type === 'unicast' && isDirect ? SCOPE_LINK : SCOPE_UNIVERSE;
}

/** The route of an RTM_NEWROUTE or RTM_DELROUTE. Throws DecodeError. */
export function decodeRoute(message: Message): KernelRoute {
  const { header, attributes } = decodePayload(routePayload, message.payload);
  const version = ipVersion(header.family);
  if (version === undefined) throw new DecodeError('family', `${header.family}, expected 2 or 10`);
  const { src, metrics } = attributes;
  const any = version === 4 ? Addr.v4(0) : Addr.v6(0, 0, 0, 0);
  const { unknown: _, ...known } = metrics ?? {};
  return {
    ...known,
    dst: prefixOf(attributes.dst ?? any, header.dstLength),
    type: routeTypeName(header.type),
    gateway: attributes.gateway ?? attributes.via,
    linkIndex: attributes.oif,
    nexthops: attributes.multipath?.map(({ gateway, via, ...nexthop }) => ({
      ...nexthop,
      gateway: gateway ?? via,
    })),
    nexthopId: attributes.nexthopId,
    scope: header.scope,
    table: attributes.table ?? header.table,
    priority: attributes.priority,
    protocol: header.protocol,
    source: attributes.prefsrc,
    from: src === undefined ? undefined : prefixOf(src, header.srcLength),
    tos: header.tos,
    preference: attributes.preference,
    ...decodeNexthopFlags(header.flags),
  };
}
