import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByIndex, linkByName } from '../../netlink/route/link.ts';
import { defaultRouteList } from '../../netlink/route/route.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

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
  for (const { linkIndex, nexthops } of defaultRouteList(connection)) {
    const index = linkIndex ?? nexthops?.[0]?.linkIndex;
    const link = index === undefined ? undefined : linkByIndex(connection, index);
    if (link !== undefined) return link;
  }
  throw new CniError(CNI_CODE.internal, 'no default route interface found');
}
