import { PROTOCOL_PODWIRE } from '../../cni/vxlan/overlay/difference.ts';
import { OverlayError } from '../../cni/vxlan/overlay/error.ts';
import type { Peer } from '../../cni/vxlan/overlay/peer.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { linkList } from '../../netlink/route/link.ts';
import {
  type KernelRoute,
  routeAdd,
  routeDel,
  routeGet,
  routeList,
  TABLE_MAIN,
} from '../../netlink/route/route.ts';
import { EEXIST } from '../../sys/errno.ts';

const protocol = PROTOCOL_PODWIRE;

/**
 * Whether packets to the peer's pods need no tunnel: it is on the same wire, so that a route by way of it
 * leads there. A route's gateway is of the family of its destination.
 */
export function isDirect(connection: RouteConnection, { subnet, endpoint }: Peer): boolean {
  if (subnet.addr.family !== endpoint.family) return false;
  try {
    const route = routeGet(connection, { dst: endpoint });
    return route !== undefined && route.gateway === undefined && route.type === 'unicast';
  } catch (error) {
    // A route refuses it, which is no reason not to reach the others.
    if (netlinkErrno(error) === undefined) throw error;
    return false;
  }
}

/** The routes that lead to peers without a tunnel, whatever there should be. */
function directRoutes(connection: RouteConnection): KernelRoute[] {
  const tunnels = new Set(linkList(connection, { kind: 'vxlan' }).map(({ index }) => index));
  return ([4, 6] as const)
    .flatMap((family) => routeList(connection, family, { table: TABLE_MAIN, protocol }))
    .filter(({ gateway, linkIndex }) => gateway !== undefined && !tunnels.has(linkIndex ?? 0));
}

/** Removes those that lead to none of the peers. Gives how many. */
export function removeDirectRoutes(
  connection: RouteConnection,
  peers: Iterable<Peer> = [],
): number {
  const kept = gateways(peers);
  const stale = directRoutes(connection).filter((route) => !isOf(route, kept));
  for (const route of stale) routeDel(connection, route);
  return stale.length;
}

/**
 * Makes those that are missing, once those that lead elsewhere are gone. Throws OverlayError where others have
 * a route to a peer's subnet.
 */
export function addDirectRoutes(connection: RouteConnection, peers: ReadonlySet<Peer>): void {
  if (peers.size === 0) return;
  const present = gateways(
    directRoutes(connection).flatMap(({ dst: subnet, gateway: endpoint }) =>
      endpoint === undefined ? [] : [{ subnet, endpoint }],
    ),
  );
  for (const { subnet: dst, endpoint: gateway } of peers) {
    if (present.get(dst.key) === gateway.key) continue;
    try {
      routeAdd(connection, { dst, gateway, protocol });
    } catch (error) {
      if (netlinkErrno(error) !== EEXIST) throw error;
      throw new OverlayError(`route ${dst} already exists, and is not ours`);
    }
  }
}

/** The gateway of each subnet, by their keys. */
function gateways(peers: Iterable<Peer>): ReadonlyMap<Key, Key> {
  return new Map(Array.from(peers, ({ subnet, endpoint }) => [subnet.key, endpoint.key]));
}

function isOf({ dst, gateway }: KernelRoute, wanted: ReadonlyMap<Key, Key>): boolean {
  return gateway !== undefined && wanted.get(dst.key) === gateway.key;
}

type Key = string | number;
