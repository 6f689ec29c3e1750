import type { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { addrAdd, addrDel, addrList } from '../../netlink/route/addr.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkAdd, linkByName, linkDel, linkSet } from '../../netlink/route/link.ts';
import type { Netns } from '../../sys/netns.ts';
import { keepUntracked, releaseQueries, removeTables } from './rules.ts';

/** The name of the link that has the addresses. */
export const LINK = 'podwire-dns';

/** RT_SCOPE_LINK (linux/rtnetlink.h): the kernel's own IPv6 address of the link. */
const SCOPE_LINK = 253;

/** Addresses and port that the node's own DNS server answers on. */
export interface NodeLocalOptions {
  readonly addresses: readonly Addr[];
  readonly port: number;
}

/**
 * Has the node answer DNS on addresses that are otherwise a Service's, or nobody's. What it makes is
 * known by its name, so that after any end, also by SIGKILL, the next start takes it over and `cleanup`
 * finds it.
 */
export class NodeLocal implements Disposable {
  readonly #options: NodeLocalOptions;
  readonly #route: RouteConnection;
  readonly #nftables: NftablesConnection;

  private constructor(
    options: NodeLocalOptions,
    route: RouteConnection,
    nftables: NftablesConnection,
  ) {
    this.#options = options;
    this.#route = route;
    this.#nftables = nftables;
  }

  /**
   * Takes the addresses over, in `netns` or the namespace the thread is in; a server listens on them
   * already. Throws NetlinkError.
   */
  static takeOver(options: NodeLocalOptions, netns?: Netns): NodeLocal {
    using stack = new DisposableStack();
    const route = stack.use(RouteConnection.open(netns));
    const nodeLocal = new NodeLocal(options, route, stack.use(NftablesConnection.open(netns)));
    nodeLocal.sync();
    stack.move();
    return nodeLocal;
  }

  /** Puts right what is not as it should be; all may be there already. Throws NetlinkError. */
  sync(): void {
    const { addresses, port } = this.#options;
    const link = linkByName(this.#route, LINK) ?? this.#addLink();
    linkSet(this.#route, link.index, { up: true });
    const wanted = addresses.map((addr) => Prefix.of(addr, addr.bits));
    for (const prefix of wanted) addrAdd(this.#route, link.index, prefix, { noDad: true });
    // Addresses before rules: a query that isn't translated any more must find somebody.
    keepUntracked(this.#nftables, addresses, port);
    for (const { prefix, scope } of addrList(this.#route, link.index)) {
      const isKept = scope === SCOPE_LINK || wanted.some((each) => each.equals(prefix));
      if (!isKept) addrDel(this.#route, link.index, prefix);
    }
  }

  /** Lets queries go to the Service again, then waits for `stopServer`, then removes the rest. */
  async giveBack(stopServer: () => Promise<void>): Promise<void> {
    releaseQueries(this.#nftables);
    await stopServer();
    removeTables(this.#nftables);
    const link = linkByName(this.#route, LINK);
    if (link !== undefined) linkDel(this.#route, link.index);
    this[Symbol.dispose]();
  }

  /** Removes what an earlier one left. Gives the names of what was there. */
  static cleanup(netns?: Netns): string[] {
    using route = RouteConnection.open(netns);
    using nftables = NftablesConnection.open(netns);
    const removed = removeTables(nftables);
    const link = linkByName(route, LINK);
    if (link === undefined) return removed;
    linkDel(route, link.index);
    return [...removed, `link ${LINK}`];
  }

  /** Closes the connections to the kernel and leaves everything as it is. */
  [Symbol.dispose](): void {
    this.#route.close();
    this.#nftables.close();
  }

  #addLink() {
    linkAdd(this.#route, { name: LINK, kind: 'bridge' });
    const link = linkByName(this.#route, LINK);
    if (link === undefined) throw new Error(`link ${LINK} is gone as soon as it was made`);
    return link;
  }
}
