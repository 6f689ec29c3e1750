import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { routeAppend, routeDel } from '../../netlink/route/route.ts';
import type { Netns } from '../../sys/netns.ts';
import { addAddresses, addRoutes } from '../pod-interface/configure.ts';
import type { Result } from '../protocol/result.ts';
import { alone, type Point } from './point.ts';

const RTPROT_KERNEL = 2; // linux/rtnetlink.h
const RT_SCOPE_LINK = 253;

/**
 * Gives the pod's end its addresses and routes. A veth pair is not point-to-point by itself: the kernel
 * takes the address's prefix to be on the link, where the pod would ask for neighbours that are not
 * there. So the gateway alone is on the link, and the rest of the prefix is behind it. Throws CniError.
 */
export function configurePodEnd(
  pod: RouteConnection,
  netns: Netns,
  link: Link,
  points: readonly Point[],
  { ips, routes }: Pick<Result, 'ips' | 'routes'>,
  dad: boolean,
): void {
  const linkIndex = link.index;
  addAddresses(pod, netns, link, ips, dad);
  // Several addresses may have one gateway, and one prefix, and another interface of the pod, too.
  const gateways = firstOf(points, ({ gateway }) => `${gateway}`);
  const prefixes = firstOf(points, ({ address }) => `${address.masked()}`);
  for (const { gateway, address } of gateways) {
    const scope = gateway.family === 4 ? RT_SCOPE_LINK : undefined;
    routeAppend(pod, { dst: alone(gateway), linkIndex, scope, source: address.addr });
  }
  // As long as the prefix is on the link, gateways in it are good, too.
  addRoutes(pod, link, { ips, routes });
  for (const { gateway, address } of prefixes) {
    // An address without a prefix to speak of brought no route.
    if (address.bits === address.addr.bits) continue;
    const dst = address.masked();
    routeDel(pod, { dst, linkIndex, protocol: RTPROT_KERNEL });
    routeAppend(pod, { dst, linkIndex, gateway, source: address.addr });
  }
}

/** The first of those that have a key in common. */
function firstOf(points: readonly Point[], keyOf: (point: Point) => string): Point[] {
  const keys = points.map(keyOf);
  return points.filter((_, index) => keys.indexOf(keys[index] ?? '') === index);
}
