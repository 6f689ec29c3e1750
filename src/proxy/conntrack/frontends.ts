import type { Addr } from '../../ipaddr/addr.ts';
import type { FlowEnds } from '../../netlink/conntrack/scan.ts';
import { type DepartedWay, routeKey, type ServiceRoute } from '../model/route.ts';
import { endpointKey, type Frontend, FrontendIndex, type WayIn } from './frontend-index.ts';

/** Ways in that are gone are remembered until a sweep is done; of more than these the first is not. */
const GONE_MAX = 65_536;

/** The protocols of which flows are kept by clients that go on for ever. */
export type FlowProtocol = 'UDP' | 'SCTP';

/**
 * Which flows over one protocol lead where no Service leads any more. A flow is ours only if it was sent
 * to the very address and port of a Service; all others are left alone, whatever they look like.
 */
export class Frontends {
  readonly #protocol: FlowProtocol;
  readonly #current = new FrontendIndex();
  readonly #gone = new FrontendIndex();

  constructor(protocol: FlowProtocol) {
    this.#protocol = protocol;
  }

  /** Follows changes of routes. Gives whether any of them is about the protocol. */
  update(changes: ReadonlyMap<string, ServiceRoute | undefined>): boolean {
    let changed = false;
    for (const [key, route] of changes) {
      const before = this.#current.get(key)?.way;
      const after = route?.protocol === this.#protocol ? route : undefined;
      if (before === undefined && after === undefined) continue;
      changed = true;
      this.#current.delete(key);
      this.#gone.delete(key);
      if (after !== undefined) this.#current.put(key, { ...after, serving: after.serving ?? [] });
      else if (before !== undefined) this.#remember(key, before);
    }
    return changed;
  }

  /**
   * Takes ways in that the kernel had before us for ones that are gone, unless they are there. Gives
   * whether there are any of the protocol.
   */
  depart(ways: readonly DepartedWay[]): boolean {
    let changed = false;
    for (const { endpoints: serving, ...way } of ways) {
      const key = routeKey(way);
      if (way.protocol !== this.#protocol || this.#current.get(key) !== undefined) continue;
      this.#remember(key, { ...way, serving });
      changed = true;
    }
    return changed;
  }

  /** Whether any flow can be ours. */
  get isEmpty(): boolean {
    return this.#current.size + this.#gone.size === 0;
  }

  /** The ways in that are gone, for `forget` once their flows are gone too. */
  gone(): readonly (readonly [string, Frontend])[] {
    return [...this.#gone.entries()];
  }

  /** Forgets ways in that were gone already when a sweep began, unless they came and went again. */
  forget(gone: readonly (readonly [string, Frontend])[]): void {
    for (const [key, frontend] of gone) {
      if (this.#gone.get(key) === frontend) this.#gone.delete(key);
    }
  }

  /**
   * Whether a flow over the protocol is one to a Service of ours and leads where none of its endpoints is: to
   * one that is gone, or nowhere, for it began before the rules. `isNodePortAddr` says whether node
   * ports are served on an address.
   */
  isStale(ends: FlowEnds, isNodePortAddr: (addr: Addr) => boolean): boolean {
    const { destination, destinationPort: port, replySource, replySourcePort } = ends;
    const replier = endpointKey(replySource, replySourcePort);
    const current = this.#current.find(destination, port, isNodePortAddr);
    if (current !== undefined) return !current.serving.has(replier);
    if (replier === endpointKey(destination, port)) return false;
    // Its Service is gone. That it leads to an endpoint of it shows that our rules made it.
    return this.#gone.find(destination, port, isNodePortAddr)?.serving.has(replier) === true;
  }

  #remember(key: string, way: WayIn): void {
    if (this.#gone.size >= GONE_MAX) {
      const first = this.#gone.entries().next();
      if (first.done !== true) this.#gone.delete(first.value[0]);
    }
    this.#gone.put(key, way);
  }
}
