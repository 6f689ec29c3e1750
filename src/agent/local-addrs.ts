import type { Addr } from '../ipaddr/addr.ts';
import { addrList } from '../netlink/route/addr.ts';
import { RouteConnection } from '../netlink/route/connection.ts';

/** All addresses of the node's links now, in the namespace the thread is in. */
export function localAddrs(): Addr[] {
  using connection = RouteConnection.open();
  return addrList(connection).map(({ prefix }) => prefix.addr);
}
