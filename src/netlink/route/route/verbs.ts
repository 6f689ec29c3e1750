import { ESRCH } from '../../../sys/errno.ts';
import {
  encodePayload,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../../message.ts';
import { happens } from '../../outcome.ts';
import type { RouteConnection } from '../connection.ts';
import { addressFamily } from '../family.ts';
import { encodeRoute, type Route } from './route.ts';
import { RTM_DELROUTE, RTM_NEWROUTE, routePayload, SCOPE_NOWHERE } from './table.ts';
import { routeTypeNumber } from './type.ts';

/** Adds a route. Throws NetlinkError, with errno EEXIST when there is one to the destination. */
export function routeAdd(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 'add', route);
}

/** Adds a route beside others to the same destination (several paths). */
export function routeAppend(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, 'append', route);
}

/** The same, but of IPv4 routes to the destination it is the first then, which packets take. */
export function routePrepend(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE, 'prepend', route);
}

/** Adds a route or takes the place of the one to the destination. */
export function routeReplace(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, 'replace', route);
}

/** Removes the route that agrees in all that is given. Gives false when there is none. */
export function routeDel(connection: RouteConnection, route: Route): boolean {
  const any = { scope: SCOPE_NOWHERE, protocol: 0 };
  return happens(ESRCH, () =>
    send(connection, RTM_DELROUTE, 0, 'delete', { ...any, ...route }, route.type === undefined),
  );
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  route: Route,
  isAnyType = false,
): void {
  const { header, attributes } = encodeRoute(route);
  const head = {
    ...header,
    family: addressFamily(route.dst.addr.family),
    ...(isAnyType ? { type: routeTypeNumber('unspec') } : {}),
  };
  const what =
    route.type === undefined || route.type === 'unicast' ? 'route' : `${route.type} route`;
  const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
  connection.netlink.execute({
    operation: `${verb} ${what} ${route.dst}${via}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, routePayload, head, attributes),
  });
}
