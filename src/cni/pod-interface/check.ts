import { addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { type KernelRoute, routeList } from '../../netlink/route/route.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result, ResultInterface, ResultIp, ResultRoute } from '../protocol/result.ts';
import { mustFind } from './describe.ts';

/**
 * Holds the pod's interface against what ADD said: it is there, with its MAC address. Gives the link.
 * Throws CniError that names the first difference.
 */
export function checkInterface(
  pod: RouteConnection,
  { ifName, netns }: Environment,
  { interfaces }: Result,
): Link {
  const wanted = interfaces.find((each) => each.name === ifName && each.sandbox === netns);
  if (wanted === undefined) throw failure(`prevResult has no interface ${ifName} in ${netns}`);
  const link = mustFind(pod, ifName);
  checkMac(link, wanted);
  return link;
}

/**
 * Holds both ends of the pod's veth pair against what ADD said: they are there, with their MAC addresses,
 * and belong together. Throws CniError that names the first difference.
 */
export function checkVeth(
  host: RouteConnection,
  pod: RouteConnection,
  environment: Environment,
  result: Result,
): { readonly hostEnd: Link; readonly podEnd: Link } {
  const podEnd = checkInterface(pod, environment, result);
  if (podEnd.kind !== 'veth') throw failure(`interface "${podEnd.name}" is not a veth`);
  const onHost = result.interfaces.filter(({ sandbox }) => sandbox === undefined);
  // A bridge and what later plugins made may stand beside it.
  for (const described of onHost) {
    const hostEnd = mustFind(host, described.name);
    if (hostEnd.index !== podEnd.linkIndex || hostEnd.linkIndex !== podEnd.index) continue;
    checkMac(hostEnd, described);
    return { hostEnd, podEnd };
  }
  const names = onHost.map(({ name }) => `"${name}"`).join(', ') || 'no interface of the host';
  throw failure(`the other end of "${podEnd.name}" is not in prevResult, which has ${names}`);
}

/**
 * Holds the addresses and routes of the pod's interface against what ADD said. What is there beside
 * them, or stands in another table by now, is a later plugin's to answer for. Throws CniError that
 * names the first difference.
 */
export function checkAddresses(pod: RouteConnection, link: Link, { ips, routes }: Result): void {
  const present = addrList(pod, link.index);
  for (const { address } of ips) {
    if (present.some(({ prefix }) => prefix.equals(address))) continue;
    throw failure(`expected address ${address} on "${link.name}"`);
  }
  const families = new Set([...ips.map(familyOf), ...routes.map(({ dst }) => dst.addr.family)]);
  const known = [...families].flatMap((family) => routeList(pod, family, { type: 'unicast' }));
  for (const { address } of ips) {
    // An address that is alone in its prefix needs no route there.
    if (address.bits === address.addr.bits) continue;
    const prefix = address.masked();
    if (!known.some(({ dst }) => dst.equals(prefix))) throw failure(`expected route ${prefix}`);
  }
  for (const route of routes) {
    if (known.some((each) => isRoute(each, route))) continue;
    throw failure(`expected route ${route.dst}${route.gw === undefined ? '' : ` via ${route.gw}`}`);
  }
}

function familyOf({ address }: ResultIp): 4 | 6 {
  return address.addr.family;
}

function isRoute(actual: KernelRoute, { dst, gw }: ResultRoute): boolean {
  if (!actual.dst.equals(dst.masked())) return false;
  // Of default routes a later plugin may have made its own.
  if (gw === undefined || dst.bits === 0) return true;
  const ways = [actual, ...(actual.nexthops ?? [])];
  return ways.some(({ gateway }) => gateway?.equals(gw) === true);
}

/** Checks a link's MAC address against the result's, where that has one. Throws CniError. */
export function checkMac(link: Link, { mac }: ResultInterface): void {
  if (mac === '' || mac === `${link.mac ?? ''}`) return;
  throw failure(`interface "${link.name}" has MAC ${link.mac ?? 'none'}, expected ${mac}`);
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
