import type { Netns } from '../../sys/netns.ts';
import { Connection } from '../connection.ts';

/** The protocol of rtnetlink (linux/netlink.h). */
export const NETLINK_ROUTE = 0;

/**
 * A conversation with rtnetlink(7). The verbs of iproute2 are functions that take one as their
 * first argument: `linkAdd`, `addrList`, `routeReplace`.
 */
export class RouteConnection implements Disposable {
  readonly netlink: Connection;

  private constructor(netlink: Connection) {
    this.netlink = netlink;
  }

  /** Opens it in `netns`, or in the namespace the thread is in. It stays in that namespace. */
  static open(netns?: Netns): RouteConnection {
    return new RouteConnection(Connection.open(NETLINK_ROUTE, netns));
  }

  /** The same over a connection that is open, such as one to the fake kernel; closed with it. */
  static over(netlink: Connection): RouteConnection {
    return new RouteConnection(netlink);
  }

  close(): void {
    this.netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
