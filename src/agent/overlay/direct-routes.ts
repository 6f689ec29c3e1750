import { PROTOCOL_PODWIRE } from '../../cni/vxlan/overlay/difference.ts';
import type { Peer } from '../../cni/vxlan/overlay/peer.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { linkList } from '../../netlink/route/link.ts';
import {
  type KernelRoute,
  type Route,
  routeDel,
  routeGet,
  routeList,
  routeReplace,
} from '../../netlink/route/route.ts';

const TABLE_MAIN = 254; // linux/rtnetlink.h
const protocol = PROTOCOL_PODWIRE;

/**
 * Whether packets to the peer's pods need no tunnel: it is on the same wire, so that a route by way of it
 * leads there. A route's gateway is of the family of its destination.
 */
export function isDirect(connection: RouteConnection, { subnet, endpoint }: Peer): boolean {
  if (subnet.addr.family !== endpoint.family) return false;
  const route = routeGet(connection, { dst: endpoint });
  return route !== undefined && route.gateway === undefined && route.type === 'unicast';
}

/** The routes that lead to peers without a tunnel, in order to compare them with what there should be. */
export function directRoutes(connection: RouteConnection): KernelRoute[] {
  const tunnels = new Set(linkList(connection, { kind: 'vxlan' }).map(({ index }) => index));
  return ([4, 6] as const)
    .flatMap((family) => routeList(connection, family, { table: TABLE_MAIN, protocol }))
    .filter(({ gateway, linkIndex }) => gateway !== undefined && !tunnels.has(linkIndex ?? 0));
}

/** Removes those that lead to no peer any more. Gives how many. */
export function removeDirectRoutes(
  connection: RouteConnection,
  isKept: (route: KernelRoute) => boolean = () => false,
): number {
  const stale = directRoutes(connection).filter((route) => !isKept(route));
  for (const route of stale) routeDel(connection, route);
  return stale.length;
}

/** Makes those that are missing. What others route stays: theirs has another protocol. */
export function addDirectRoutes(connection: RouteConnection, peers: readonly Peer[]): void {
  if (peers.length === 0) return;
  const present = directRoutes(connection);
  for (const { subnet: dst, endpoint: gateway } of peers) {
    if (present.some((route) => leadsTo(route, dst.key, gateway.key))) continue;
    const route: Route = { dst, gateway, protocol };
    routeReplace(connection, route);
  }
}

/** Whether a route leads to a subnet by way of an address. */
export function leadsTo(route: KernelRoute, subnet: Key, gateway: Key): boolean {
  return route.dst.key === subnet && route.gateway?.key === gateway;
}

type Key = string | number;
