import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByIndex, linkByName } from '../../netlink/route/link.ts';
import { routeList } from '../../netlink/route/route.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

const RT_TABLE_MAIN = 254; // linux/rtnetlink.h

/** The link with the name, or that of the default route, IPv4 first. Throws CniError without one. */
export function findMaster(connection: RouteConnection, name: string | undefined): Link {
  if (name === undefined) return defaultRouteLink(connection);
  const link = linkByName(connection, name);
  if (link !== undefined) return link;
  throw new CniError(
    CNI_CODE.internal,
    `failed to lookup master ${JSON.stringify(name)}: Link not found`,
  );
}

function defaultRouteLink(connection: RouteConnection): Link {
  for (const family of [4, 6] as const) {
    const routes = routeList(connection, family, { table: RT_TABLE_MAIN, type: 'unicast' });
    for (const { linkIndex, nexthops } of routes.filter(({ dst }) => dst.bits === 0)) {
      const index = linkIndex ?? nexthops?.[0]?.linkIndex;
      const link = index === undefined ? undefined : linkByIndex(connection, index);
      if (link !== undefined) return link;
    }
  }
  throw new CniError(CNI_CODE.internal, 'no default route interface found');
}
