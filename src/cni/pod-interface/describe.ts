import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByName } from '../../netlink/route/link.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { ResultInterface } from '../protocol/result.ts';

/** The link with the name. Throws CniError when there is none. */
export function mustFind(connection: RouteConnection, name: string): Link {
  const link = linkByName(connection, name);
  if (link === undefined) throw new CniError(CNI_CODE.internal, `interface "${name}" not found`);
  return link;
}

/** A link as it stands in a result; `sandbox` is the path of its namespace, absent on the host. */
export function describeLink(link: Link, sandbox?: string): ResultInterface {
  return { name: link.name, mac: `${link.mac ?? ''}`, sandbox };
}
