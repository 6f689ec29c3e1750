import type { Addr } from '../../ipaddr/addr.ts';
import type { EndpointTarget } from '../model/endpoint.ts';
import type { ServiceRoute } from '../model/route.ts';

/** A way in of one protocol: an address and port, or a port of the node, and who may reply. */
export type WayIn = Pick<ServiceRoute, 'family' | 'addr' | 'port'> & {
  readonly serving: readonly Pick<EndpointTarget, 'addr' | 'port'>[];
};

/** The same, ready to be looked up. */
export interface Frontend {
  readonly way: WayIn;
  /** By `endpointKey`. */
  readonly serving: ReadonlySet<string>;
}

type ByPort = Map<number, Frontend>;

/** Ways in by the key of their route, and by where a packet was sent. */
export class FrontendIndex {
  readonly #byKey = new Map<string, Frontend>();
  readonly #addrs = new Map<string | number, ByPort>();
  readonly #nodePorts: Readonly<Record<4 | 6, ByPort>> = { 4: new Map(), 6: new Map() };

  get size(): number {
    return this.#byKey.size;
  }

  /** All of them, the one that was put first before others. */
  entries(): IterableIterator<[string, Frontend]> {
    return this.#byKey.entries();
  }

  get(key: string): Frontend | undefined {
    return this.#byKey.get(key);
  }

  /** The way in that an address and port is; an address of a Service comes before a node port. */
  find(addr: Addr, port: number, isNodePortAddr: (addr: Addr) => boolean): Frontend | undefined {
    const frontend = this.#addrs.get(addr.key)?.get(port);
    if (frontend !== undefined) return frontend;
    const onNode = this.#nodePorts[addr.family].get(port);
    return onNode !== undefined && isNodePortAddr(addr) ? onNode : undefined;
  }

  put(key: string, way: WayIn): void {
    const serving = new Set(way.serving.map(({ addr, port }) => endpointKey(addr, port)));
    const frontend = { way, serving };
    this.#byKey.set(key, frontend);
    const { addr, family, port } = way;
    let ports = addr === undefined ? this.#nodePorts[family] : this.#addrs.get(addr.key);
    if (ports === undefined) {
      ports = new Map();
      if (addr !== undefined) this.#addrs.set(addr.key, ports);
    }
    ports.set(port, frontend);
  }

  delete(key: string): void {
    const frontend = this.#byKey.get(key);
    if (frontend === undefined) return;
    this.#byKey.delete(key);
    const { addr, family, port } = frontend.way;
    const ports = addr === undefined ? this.#nodePorts[family] : this.#addrs.get(addr.key);
    ports?.delete(port);
    if (addr !== undefined && ports?.size === 0) this.#addrs.delete(addr.key);
  }
}

/** A key for an endpoint. */
export function endpointKey(addr: Addr, port: number): string {
  return `${addr.key} ${port}`;
}
