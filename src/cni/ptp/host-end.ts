import { netlinkErrno } from '../../netlink/error.ts';
import { addrAdd, addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByIndex, linkSet } from '../../netlink/route/link.ts';
import { routeAdd, routeList, TABLE_MAIN } from '../../netlink/route/route.ts';
import { EEXIST } from '../../sys/errno.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { alone, type Point } from './point.ts';

const RT_SCOPE_HOST = 254; // linux/rtnetlink.h

/** Brings the host's end up, which the pod's end needs to be of use. */
export function openHostEnd(host: RouteConnection, veth: Link, dad: boolean): void {
  // The routes of this link are ours to make.
  writeSysctl(`net/ipv6/conf/${veth.name}/accept_ra`, '0');
  // Until its link-local address is through detection, the node asks for no neighbour there.
  if (!dad) writeSysctl(`net/ipv6/conf/${veth.name}/accept_dad`, '0');
  linkSet(host, veth.index, { up: true });
}

/** Makes the host's end answer by the gateways, and lead to the pod's addresses. Throws CniError. */
export function configureHostEnd(
  host: RouteConnection,
  veth: Link,
  points: readonly Point[],
): void {
  for (const { address, gateway } of points) {
    addrAdd(host, veth.index, alone(gateway), { noDad: true });
    const dst = alone(address.addr);
    try {
      routeAdd(host, { dst, linkIndex: veth.index, scope: RT_SCOPE_HOST });
    } catch (error) {
      if (netlinkErrno(error) !== EEXIST) throw error;
      // Packets would go there, and never to this pod.
      const details = `there is a route to it by ${holderOf(host, address) ?? 'nobody any more'}`;
      throw new CniError(CNI_CODE.internal, `${address.addr} is in use on this node`, details);
    }
  }
}

/** Throws CniError that names the first gateway or route which the host's end lacks. */
export function checkHostEnd(host: RouteConnection, veth: Link, points: readonly Point[]): void {
  const addrs = addrList(host, veth.index);
  for (const { address, gateway } of points) {
    if (!addrs.some(({ prefix }) => prefix.equals(alone(gateway)))) {
      throw failure(`expected address ${alone(gateway)} on "${veth.name}"`);
    }
    const dst = alone(address.addr);
    const filter = { table: TABLE_MAIN, linkIndex: veth.index } as const;
    const routes = routeList(host, address.addr.family, filter);
    if (!routes.some((route) => route.dst.equals(dst))) {
      throw failure(`expected route ${dst} on "${veth.name}"`);
    }
  }
}

/** The name of the link that packets to the address leave by. */
function holderOf(host: RouteConnection, { addr }: Point['address']): string | undefined {
  const routes = routeList(host, addr.family, { table: TABLE_MAIN });
  const index = routes.find(({ dst }) => dst.equals(alone(addr)))?.linkIndex;
  return index === undefined ? undefined : linkByIndex(host, index)?.name;
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
