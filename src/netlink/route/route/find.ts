import type { Addr } from '../../../ipaddr/addr.ts';
import { ENETUNREACH, ENOENT } from '../../../sys/errno.ts';
import { encodePayload } from '../../message.ts';
import { happens } from '../../outcome.ts';
import type { Writer } from '../../writer.ts';
import type { RouteConnection } from '../connection.ts';
import { addressFamily } from '../family.ts';
import { decodeRoute, type KernelRoute } from './route.ts';
import { RTM_GETROUTE, routePayload, TABLE_MAIN } from './table.ts';
import { type RouteType, routeTypeNumber } from './type.ts';

const RTM_F_LOOKUP_TABLE = 0x1000; // linux/rtnetlink.h
const RTM_F_FIB_MATCH = 0x2000;

/** Which routes `routeList` gives: those that agree in all that is given. */
export interface RouteFilter {
  readonly table?: number | undefined;
  readonly protocol?: number | undefined;
  readonly type?: RouteType | undefined;
  /** Index of the link packets leave by. */
  readonly linkIndex?: number | undefined;
}

/** The routes of one family, the kernel's own among them. The kernel does the filtering. */
export function routeList(
  connection: RouteConnection,
  family: 4 | 6,
  filter: RouteFilter = {},
): KernelRoute[] {
  const { table, protocol = 0, type, linkIndex: oif } = filter;
  const header = {
    family: addressFamily(family),
    protocol,
    type: type === undefined ? 0 : routeTypeNumber(type),
  };
  const request = {
    operation: 'list routes',
    type: RTM_GETROUTE,
    write: (writer: Writer) => encodePayload(writer, routePayload, header, { table, oif }),
  };
  let routes: KernelRoute[] = [];
  // A table that never had a route is not there.
  happens(ENOENT, () => {
    routes = connection.netlink.dump(request, decodeRoute);
  });
  return routes;
}

/** The default routes of the main table, those of IPv4 first. */
export function defaultRouteList(connection: RouteConnection): KernelRoute[] {
  const filter = { table: TABLE_MAIN, type: 'unicast' } as const;
  return ([4, 6] as const)
    .flatMap((family) => routeList(connection, family, filter))
    .filter(({ dst }) => dst.bits === 0);
}

/** A packet `routeGet` asks about. */
export interface RouteQuery {
  readonly dst: Addr;
  readonly from?: Addr | undefined;
  /** Index of the link it came in by; by default it is this node's own packet. */
  readonly iif?: number | undefined;
  /** Index of the link it has to leave by. */
  readonly oif?: number | undefined;
  readonly mark?: number | undefined;
  readonly uid?: number | undefined;
  readonly tos?: number | undefined;
  /** IPPROTO_*, and the ports of it. */
  readonly ipProto?: number | undefined;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
  /** Gives the route as it stands in its table, rather than what it comes to for the packet. */
  readonly fibMatch?: boolean | undefined;
}

/**
 * The route a packet takes, or undefined when there is none. Throws NetlinkError where a route
 * refuses it: EHOSTUNREACH for `unreachable`, EACCES for `prohibit`, EINVAL for `blackhole`.
 */
export function routeGet(
  connection: RouteConnection,
  { dst, from, tos = 0, fibMatch, ...query }: RouteQuery,
): KernelRoute | undefined {
  const header = {
    family: addressFamily(dst.family),
    dstLength: dst.bits,
    srcLength: from?.bits ?? 0,
    tos,
    // IPv6 says the table without being asked, and refuses to be.
    flags: (dst.family === 4 ? RTM_F_LOOKUP_TABLE : 0) | (fibMatch === true ? RTM_F_FIB_MATCH : 0),
  };
  const request = {
    operation: `get route to ${dst}`,
    type: RTM_GETROUTE,
    write: (writer: Writer) =>
      encodePayload(writer, routePayload, header, { dst, src: from, ...query }),
  };
  let route: KernelRoute | undefined;
  happens(ENETUNREACH, () =>
    connection.netlink.execute(request, (message) => {
      route = decodeRoute(message);
    }),
  );
  return route;
}
