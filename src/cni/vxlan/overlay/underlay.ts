import type { Addr } from '../../../ipaddr/addr.ts';
import { addrList } from '../../../netlink/route/addr.ts';
import type { RouteConnection } from '../../../netlink/route/connection.ts';
import { type Link, linkByIndex, linkByName } from '../../../netlink/route/link.ts';
import { defaultRouteList } from '../../../netlink/route/route.ts';
import { OverlayError } from './error.ts';

const RT_SCOPE_UNIVERSE = 0; // linux/rtnetlink.h

/** What tunnels go over. */
export interface Underlay {
  /** The link packets leave by. */
  readonly link: Link;
  /** This node's address, which they come from. */
  readonly local: Addr;
}

/** What is said of the underlay; what is not is found. */
export interface UnderlayWish {
  readonly local?: Addr | undefined;
  /** The name of the link. */
  readonly master?: string | undefined;
}

/**
 * The link and the address of the wish: one leads to the other, and without either it is the first
 * default route that does, those of IPv4 first. Throws OverlayError.
 */
export function findUnderlay(
  connection: RouteConnection,
  { local, master }: UnderlayWish,
): Underlay {
  const named = master === undefined ? undefined : linkByName(connection, master);
  if (master !== undefined && named === undefined) throw notFound(`no link is called "${master}"`);
  if (local !== undefined) {
    const holder = linkWith(connection, local);
    if (named === undefined && holder.loopback) {
      throw notFound(`${local} is on "${holder.name}", and no master says which link to leave by`);
    }
    return { link: named ?? holder, local };
  }
  if (named !== undefined) return { link: named, local: addressOf(connection, named) };
  return byDefaultRoute(connection);
}

function linkWith(connection: RouteConnection, local: Addr): Link {
  const held = addrList(connection).find(({ prefix }) => prefix.addr.equals(local));
  const link = held === undefined ? undefined : linkByIndex(connection, held.linkIndex);
  if (link === undefined) throw notFound(`no link has the address ${local}`);
  return link;
}

function byDefaultRoute(connection: RouteConnection): Underlay {
  for (const { dst, linkIndex, nexthops, source } of defaultRouteList(connection)) {
    const index = linkIndex ?? nexthops?.[0]?.linkIndex;
    const link = index === undefined ? undefined : linkByIndex(connection, index);
    if (link === undefined) continue;
    return { link, local: source ?? addressOf(connection, link, dst.addr.family) };
  }
  throw notFound('neither local nor master is given, and there is no default route');
}

/** The first address that others may send to, IPv4 before IPv6. */
function addressOf(connection: RouteConnection, link: Link, family?: 4 | 6): Addr {
  const addresses = addrList(connection, link.index, family)
    // Of IPv6 the flag says that the address is a temporary one.
    .filter(({ scope, secondary }) => scope === RT_SCOPE_UNIVERSE && !secondary)
    .toSorted((a, b) => a.prefix.addr.family - b.prefix.addr.family);
  const [first] = addresses;
  if (first === undefined) throw notFound(`"${link.name}" has no address that others can send to`);
  return first.prefix.addr;
}

function notFound(why: string): OverlayError {
  return new OverlayError(`underlay not found: ${why}`);
}
