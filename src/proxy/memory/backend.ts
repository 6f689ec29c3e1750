import type { Addr } from '../../ipaddr/addr.ts';
import type { Desired, ProxyBackend, SyncResult } from '../backend.ts';
import type { EndpointTarget } from '../model/endpoint.ts';
import type { Pool } from '../model/pool.ts';
import { type ServiceRoute, sameRoute } from '../model/route.ts';
import { type Packet, type Trace, trace } from '../model/trace.ts';
import { DEFAULT_NODE_RULES, type NodeRules, nodePortAddrsOf } from '../node.ts';

/** Clients that are remembered at once; of more the one that was heard of first is forgotten. */
const REMEMBERED_CLIENTS_MAX = 1 << 18;

/** What became of the first packet of a connection. */
export interface Delivery {
  readonly verdict: Trace['verdict'];
  /** Where it went; undefined unless it is forwarded. */
  readonly endpoint: EndpointTarget | undefined;
  /** Whether the endpoint sees an address of the node. */
  readonly masqueraded: boolean;
}

/** Where a client went, and until when it goes there again. */
interface Memory {
  readonly endpoint: EndpointTarget;
  readonly untilMs: number;
}

/**
 * A backend without a kernel: it keeps the routes and says of a packet what a kernel would do with it.
 * It shows what the interface asks for, and stands for a kernel where tests have none.
 */
export class MemoryBackend implements ProxyBackend {
  readonly name = 'memory';
  readonly #localAddrs: () => readonly Addr[];
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #routes = new Map<string, ServiceRoute>();
  readonly #clusterIPs = new Map<string | number, number>();
  readonly #clients = new Map<string, Memory>();
  #node: NodeRules = DEFAULT_NODE_RULES;
  #isKnown = false;

  /** `now` is a clock in milliseconds, `random` gives numbers from 0 below 1. */
  constructor(
    localAddrs: () => readonly Addr[],
    now: () => number = Date.now,
    random: () => number = Math.random,
  ) {
    this.#localAddrs = localAddrs;
    this.#now = now;
    this.#random = random;
  }

  sync(desired: Desired): SyncResult {
    this.#node = desired.node;
    const full = !this.#isKnown;
    const wanted = full ? this.#difference(desired) : desired.changes;
    let changes = 0;
    for (const [key, route] of wanted) if (this.#set(key, route)) changes += 1;
    this.#isKnown = true;
    return { changes, full, quarantined: [] };
  }

  invalidate(): void {
    this.#isKnown = false;
  }

  /** Nobody else has a way to these rules. */
  watch(): undefined {
    return undefined;
  }

  cleanup(): readonly string[] {
    const removed = this.#routes.size === 0 ? [] : [`${this.#routes.size} routes`];
    this.#routes.clear();
    this.#clusterIPs.clear();
    this.#clients.clear();
    this.#isKnown = false;
    return removed;
  }

  [Symbol.dispose](): void {
    this.cleanup();
  }

  /** What becomes of the first packet of a connection, now. */
  deliver(packet: Packet): Delivery {
    const { verdict, route, masquerade } = this.#trace(packet);
    if (verdict !== 'forward' || route === undefined) {
      return { verdict, endpoint: undefined, masqueraded: false };
    }
    const endpoint = this.#pick(route.ways[packet.origin].pool, packet.source);
    const isHairpin = endpoint?.addr.equals(packet.source) === true;
    return { verdict, endpoint, masqueraded: masquerade || isHairpin };
  }

  #trace(packet: Packet): Trace {
    const addrs = nodePortAddrsOf(this.#node, this.#localAddrs);
    return trace(packet, {
      route: (key) => this.#routes.get(key),
      isNodePortAddr: (addr) => addrs.some((each) => each.equals(addr)),
      isClusterIP: (addr) => this.#clusterIPs.has(addr.key),
      serviceCidrs: this.#node.serviceCidrs,
    });
  }

  /** All that is desired, and all that is there and is not desired. */
  #difference(desired: Desired): ReadonlyMap<string, ServiceRoute | undefined> {
    const wanted = new Map<string, ServiceRoute | undefined>(desired.routes());
    for (const key of this.#routes.keys()) if (!wanted.has(key)) wanted.set(key, undefined);
    return wanted;
  }

  /** Puts a route in place, or takes it away; whether that was any different. */
  #set(key: string, route: ServiceRoute | undefined): boolean {
    const before = this.#routes.get(key);
    if (before === route) return false;
    if (before !== undefined && route !== undefined && sameRoute(before, route)) return false;
    this.#count(before, -1);
    this.#count(route, 1);
    if (route === undefined) this.#routes.delete(key);
    else this.#routes.set(key, route);
    return true;
  }

  /** An address may have several ports, and is a cluster IP as long as it has any. */
  #count(route: ServiceRoute | undefined, by: 1 | -1): void {
    if (route?.entry !== 'cluster-ip' || route.addr === undefined) return;
    const { key } = route.addr;
    const count = (this.#clusterIPs.get(key) ?? 0) + by;
    if (count === 0) this.#clusterIPs.delete(key);
    else this.#clusterIPs.set(key, count);
  }

  #pick(pool: Pool, source: Addr): EndpointTarget | undefined {
    const { endpoints, affinitySeconds, id } = pool;
    const any = endpoints[Math.floor(this.#random() * endpoints.length)];
    if (affinitySeconds === 0 || any === undefined) return any;
    const client = `${id} ${source.key}`;
    const known = this.#clients.get(client);
    const kept =
      known !== undefined && known.untilMs > this.#now()
        ? endpoints.find((each) => sameEndpoint(each, known.endpoint))
        : undefined;
    const endpoint = kept ?? any;
    this.#clients.delete(client);
    if (this.#clients.size >= REMEMBERED_CLIENTS_MAX) {
      const [first = ''] = this.#clients.keys();
      this.#clients.delete(first);
    }
    // Every connection begins the time anew.
    this.#clients.set(client, { endpoint, untilMs: this.#now() + affinitySeconds * 1000 });
    return endpoint;
  }
}

function sameEndpoint(a: EndpointTarget, b: EndpointTarget): boolean {
  return a.port === b.port && a.addr.equals(b.addr);
}
