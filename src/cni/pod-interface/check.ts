import { addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByName } from '../../netlink/route/link.ts';
import { routeList } from '../../netlink/route/route.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result } from '../protocol/result.ts';

/**
 * Holds the pod's interface against what ADD said: it is there, with its MAC address, addresses and
 * routes. Gives the link. Throws CniError that names the first difference.
 */
export function checkInterface(
  pod: RouteConnection,
  { ifName, netns }: Environment,
  { interfaces, ips, routes }: Result,
): Link {
  const wanted = interfaces.find((each) => each.name === ifName && each.sandbox === netns);
  if (wanted === undefined) throw failure(`prevResult has no interface ${ifName} in ${netns}`);
  const link = linkByName(pod, ifName);
  if (link === undefined) throw failure(`interface "${ifName}" not found`);
  if (wanted.mac !== '' && wanted.mac !== `${link.mac ?? ''}`) {
    throw failure(`interface "${ifName}" has MAC ${link.mac ?? 'none'}, expected ${wanted.mac}`);
  }
  const present = addrList(pod, link.index);
  for (const { address } of ips) {
    if (present.some(({ prefix }) => prefix.equals(address))) continue;
    throw failure(`expected address ${address} on "${ifName}"`);
  }
  for (const { dst, gw } of routes) {
    const found = routeList(pod, dst.addr.family).some(
      (route) =>
        route.dst.equals(dst.masked()) &&
        (gw === undefined || route.gateway === undefined || route.gateway.equals(gw)),
    );
    if (!found) throw failure(`expected route ${dst}${gw === undefined ? '' : ` via ${gw}`}`);
  }
  return link;
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
