import type { Addr } from '../../ipaddr/addr.ts';
import { addrAdd } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkSet } from '../../netlink/route/link.ts';
import { routePrepend } from '../../netlink/route/route.ts';
import type { Netns } from '../../sys/netns.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import type { Result, ResultRoute } from '../protocol/result.ts';
import { waitForDad } from './dad.ts';

const RT_SCOPE_LINK = 253; // linux/rtnetlink.h

/**
 * Gives the pod's interface its addresses and routes, and brings it up. With `dad`, IPv6 addresses are
 * used once detection says that nobody else has them. Throws CniError.
 */
export function configureInterface(
  pod: RouteConnection,
  netns: Netns,
  link: Link,
  { ips, routes }: Pick<Result, 'ips' | 'routes'>,
  dad: boolean,
): void {
  addAddresses(pod, netns, link, ips, dad);
  addRoutes(pod, link, { ips, routes });
}

/** The first half of `configureInterface`: addresses, and up. */
export function addAddresses(
  pod: RouteConnection,
  netns: Netns,
  link: Link,
  ips: Result['ips'],
  dad: boolean,
): void {
  if (ips.length > 0) netns.run(() => prepare(link.name, ips, dad));
  for (const { address } of ips) addrAdd(pod, link.index, address, { noDad: !dad });
  linkSet(pod, link.index, { up: true });
  if (dad) waitForDad(pod, link);
}

/**
 * The other half. A route without gateway goes by that of its family's first address, unless its scope
 * says that it needs none.
 */
export function addRoutes(
  pod: RouteConnection,
  link: Link,
  { ips, routes }: Pick<Result, 'ips' | 'routes'>,
): void {
  for (const { gw, ...route } of routes) {
    routePrepend(pod, { ...route, gateway: gw ?? gatewayOf(route, ips), linkIndex: link.index });
  }
}

function gatewayOf({ dst, scope }: ResultRoute, ips: Result['ips']): Addr | undefined {
  // The kernel takes no gateway for what is on the link or on the host itself.
  if (scope !== undefined && scope >= RT_SCOPE_LINK) return undefined;
  return ips.find(({ gateway }) => gateway?.family === dst.addr.family)?.gateway;
}

function prepare(ifName: string, ips: Result['ips'], dad: boolean): void {
  // The kernel then tells the neighbours when the interface comes up.
  writeSysctl(`net/ipv4/conf/${ifName}/arp_notify`, '1');
  writeSysctl(`net/ipv6/conf/${ifName}/ndisc_notify`, '1');
  writeSysctl(`net/ipv6/conf/${ifName}/accept_dad`, dad ? '1' : '0');
  if (dad) writeSysctl(`net/ipv6/conf/${ifName}/enhanced_dad`, '1');
  if (!ips.some(({ address }) => address.addr.family === 6)) return;
  writeSysctl('net/ipv6/conf/lo/disable_ipv6', '0');
  writeSysctl(`net/ipv6/conf/${ifName}/disable_ipv6`, '0');
  writeSysctl(`net/ipv6/conf/${ifName}/keep_addr_on_down`, '1');
}
