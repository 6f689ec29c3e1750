import type { Addr } from '../ipaddr/addr.ts';
import { parseAddr } from '../ipaddr/parse-addr.ts';
import { addrList } from '../netlink/route/addr.ts';
import { RouteConnection } from '../netlink/route/connection.ts';
import { routeGet } from '../netlink/route/route.ts';

/** Addresses that are nobody's, so that the way to them is the way to anywhere (RFC 5737, RFC 3849). */
const ANYWHERE = ['192.0.2.1', '2001:db8::1'].map((text) => parseAddr(text));

/** All addresses of the node's links now, in the namespace the thread is in. */
export function localAddrs(): Addr[] {
  using connection = RouteConnection.open();
  return addrList(connection).map(({ prefix }) => prefix.addr);
}

/**
 * The addresses the node sends from by its default routes, at most one of each family, in the namespace the
 * thread is in. Throws NetlinkError where a route refuses to lead anywhere.
 */
export function outwardAddrs(): Addr[] {
  using connection = RouteConnection.open();
  return ANYWHERE.flatMap((dst) => routeGet(connection, { dst })?.source ?? []);
}
