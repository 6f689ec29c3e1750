import { setImmediate } from 'node:timers/promises';
import type { Addr } from '../../ipaddr/addr.ts';
import { AsyncConnection } from '../../netlink/async-connection.ts';
import { ConntrackConnection, flowDelete } from '../../netlink/conntrack/connection.ts';
import type { Flow } from '../../netlink/conntrack/flow.ts';
import { flowScan } from '../../netlink/conntrack/scan.ts';
import { NETLINK_NETFILTER } from '../../netlink/netfilter.ts';
import type { Netns } from '../../sys/netns.ts';
import type { DepartedWay, ServiceRoute } from '../model/route.ts';
import { type NodeRules, nodePortAddrsOf } from '../node.ts';
import { type FlowProtocol, Frontends } from './frontends.ts';

/** Without any change the table is looked through this often. */
const PERIOD_MS = 300_000;
/** After a sweep the next waits so many times as long as that took, so that it never has a core. */
const REST_FACTOR = 4;
const RETRY_MS = 5_000;
/** Flows forgotten in one turn of the event loop. */
const SLICE_FLOWS = 64;
const FAMILIES = [4, 6] as const;
/** IANA's numbers. */
const PROTOCOLS = [
  ['UDP', 17],
  ['SCTP', 132],
] as const satisfies readonly (readonly [FlowProtocol, number])[];

/** What one look through the table of a family came to. */
export interface Sweep {
  readonly protocol: FlowProtocol;
  readonly family: 4 | 6;
  readonly deleted: number;
  readonly durationSeconds: number;
}

/** What the sweeper tells its owner. */
export interface SweeperEvents {
  onSweep?(sweep: Sweep): void;
  /** The kernel refused; it is tried again. */
  onError?(error: Error): void;
}

/** What came of a sync: the routes that changed, and whether the kernel follows them now. */
export interface Synced {
  readonly changes: ReadonlyMap<string, ServiceRoute | undefined>;
  readonly node: NodeRules;
  readonly isApplied: boolean;
  /** What the kernel had before us and lost by this. */
  readonly departed?: readonly DepartedWay[] | undefined;
}

/**
 * Has the kernel forget flows over UDP and SCTP that lead to endpoints that are gone. Translation is
 * decided once, at the first packet of a flow, and a client that keeps sending from its port keeps its
 * flow; so does one over SCTP that keeps asking for an association. TCP ends by itself.
 * Each sweep compares the whole table with the routes in force, so nothing depends on seeing every
 * change (kube-proxy's pkg/proxy/conntrack).
 */
export class ConntrackSweeper implements Disposable {
  readonly #frontends = PROTOCOLS.map(
    ([protocol, number]) => [new Frontends(protocol), protocol, number] as const,
  );
  readonly #list: AsyncConnection;
  readonly #delete: ConntrackConnection;
  readonly #localAddrs: () => readonly Addr[];
  readonly #events: SweeperEvents;
  #nodePortAddrs: NodeRules['nodePortAddrs'] = [];
  /** A time of performance.now(). */
  #restsUntil = 0;
  /** Rules that are not in the kernel yet would make the same flows again. */
  #isApplied = false;
  #isWanted = false;
  #isSweeping = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #settled: PromiseWithResolvers<void> | undefined;

  private constructor(
    list: AsyncConnection,
    remove: ConntrackConnection,
    localAddrs: () => readonly Addr[],
    events: SweeperEvents,
  ) {
    this.#list = list;
    this.#delete = remove;
    this.#localAddrs = localAddrs;
    this.#events = events;
  }

  /**
   * Opens it in `netns`, or in the namespace the thread is in. `localAddrs` gives the addresses of the
   * node, for node ports that are served on all of them.
   */
  static open(
    netns: Netns | undefined,
    localAddrs: () => readonly Addr[],
    events: SweeperEvents = {},
  ): ConntrackSweeper {
    using undo = new DisposableStack();
    const list = undo.use(AsyncConnection.open(NETLINK_NETFILTER, netns));
    const remove = undo.use(ConntrackConnection.open(netns));
    undo.move();
    return new ConntrackSweeper(list, remove, localAddrs, events);
  }

  /** Follows a sync. The sweep it may call for begins soon, together with what others call for. */
  follow({ changes, node, isApplied, departed = [] }: Synced): void {
    for (const [frontends] of this.#frontends) {
      if (frontends.update(changes)) this.#isWanted = true;
      if (frontends.depart(departed)) this.#isWanted = true;
    }
    if (String(this.#nodePortAddrs) !== String(node.nodePortAddrs)) this.#isWanted = true;
    this.#nodePortAddrs = node.nodePortAddrs;
    this.#isApplied = isApplied;
    if (this.#isWanted) this.#soon(0);
  }

  /** Resolves once no sweep is called for any more; at once when none is. */
  async settled(): Promise<void> {
    if (!this.#isWanted && !this.#isSweeping) return;
    this.#settled ??= Promise.withResolvers();
    await this.#settled.promise;
  }

  /** Stops; what a sweep has not deleted yet stays. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#list.close();
    this.#delete.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Starts a sweep after a time, unless one is at work: the next then follows it. */
  #soon(delayMs: number): void {
    if (this.#isClosed || this.#isSweeping || !this.#isApplied) return;
    clearTimeout(this.#timer);
    const restMs = this.#restsUntil - performance.now();
    this.#timer = setTimeout(() => void this.#sweep(), Math.max(restMs, delayMs));
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    this.#isSweeping = true;
    this.#isWanted = false;
    const start = performance.now();
    let failed = false;
    try {
      for (const each of this.#frontends) {
        const [frontends] = each;
        const gone = frontends.gone();
        let isComplete = true;
        for (const family of FAMILIES) {
          if (frontends.isEmpty) break;
          isComplete = (await this.#sweepFamily(family, each)) && isComplete;
        }
        if (isComplete) frontends.forget(gone);
        else this.#isWanted = true;
      }
    } catch (error) {
      failed = true;
      this.#isWanted = true;
      if (!this.#isClosed) {
        this.#events.onError?.(error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.#isSweeping = false;
    const end = performance.now();
    this.#restsUntil = end + (end - start) * REST_FACTOR;
    if (!this.#isWanted) {
      this.#settled?.resolve();
      this.#settled = undefined;
    }
    if (failed) this.#soon(RETRY_MS);
    else this.#soon(this.#isWanted ? 0 : PERIOD_MS);
  }

  /** Whether it came to the end of what was stale. */
  async #sweepFamily(family: 4 | 6, [frontends, protocol, number]: Swept): Promise<boolean> {
    const start = performance.now();
    const isNodePortAddr = this.#nodePortTest();
    const filter = { family, original: { protocol: number } } as const;
    const flows = await flowScan(this.#list, filter, (ends) =>
      frontends.isStale(ends, isNodePortAddr),
    );
    const isStale = (flow: Flow): boolean =>
      flow.original.protocol === number && isOurs(flow, frontends, isNodePortAddr);
    let deleted = 0;
    let isComplete = true;
    for (let at = 0; at < flows.length; at += SLICE_FLOWS) {
      await setImmediate();
      // What was stale may be right again, and while the rules are not known, nothing is.
      if (this.#isClosed || !this.#isApplied) {
        isComplete = false;
        break;
      }
      const slice = flows.slice(at, at + SLICE_FLOWS);
      deleted += slice.filter((flow) => isStale(flow) && flowDelete(this.#delete, flow)).length;
    }
    const durationSeconds = (performance.now() - start) / 1000;
    this.#events.onSweep?.({ protocol, family, deleted, durationSeconds });
    return isComplete;
  }

  #nodePortTest(): (addr: Addr) => boolean {
    const addrs = nodePortAddrsOf({ nodePortAddrs: this.#nodePortAddrs }, this.#localAddrs);
    const keys = new Set(addrs.map(({ key }) => key));
    return (addr) => keys.has(addr.key);
  }
}

/** The frontends of a protocol, with its name and number. */
type Swept = readonly [Frontends, FlowProtocol, number];

/** Whether a flow is one of ours, and still stale. */
function isOurs(
  { original, reply, zone }: Flow,
  frontends: Frontends,
  isNodePortAddr: (addr: Addr) => boolean,
): boolean {
  // Our rules are in the default zone; flows of other zones are of somebody else's network.
  if (zone !== 0) return false;
  const ends = {
    destination: original.destination,
    destinationPort: original.destinationPort ?? 0,
    replySource: reply.source,
    replySourcePort: reply.sourcePort ?? 0,
  };
  return frontends.isStale(ends, isNodePortAddr);
}
