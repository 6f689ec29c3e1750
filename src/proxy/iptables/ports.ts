import { type ServiceRoute, sameRoute } from '../model/route.ts';

/** The routes of a family by the ports of Services they belong to, with which of those changed. */
export class Ports {
  readonly #routes = new Map<string, ServiceRoute>();
  readonly #ports = new Map<string, Map<string, ServiceRoute>>();
  #changed = new Set<string>();

  /** Puts a route in place, or takes it away. */
  set(key: string, route: ServiceRoute | undefined): void {
    const before = this.#routes.get(key);
    if (before === route) return;
    if (before !== undefined && route !== undefined && sameRoute(before, route)) {
      this.#keep(key, route);
      return;
    }
    if (before !== undefined) {
      const port = this.#ports.get(portKey(before));
      port?.delete(key);
      if (port?.size === 0) this.#ports.delete(portKey(before));
      this.#changed.add(portKey(before));
      this.#routes.delete(key);
    }
    if (route === undefined) return;
    this.#keep(key, route);
    this.#changed.add(portKey(route));
  }

  /** Makes these all routes there are. */
  replace(routes: ReadonlyMap<string, ServiceRoute>): void {
    for (const key of this.#routes.keys()) if (!routes.has(key)) this.set(key, undefined);
    for (const [key, route] of routes) this.set(key, route);
  }

  /** The keys of all ports. */
  keys(): IterableIterator<string> {
    return this.#ports.keys();
  }

  /** The routes of a port; empty when it has none. */
  routesOf(key: string): readonly ServiceRoute[] {
    return [...(this.#ports.get(key)?.values() ?? [])];
  }

  /** Gives the ports that changed since the last call. */
  takeChanged(): readonly string[] {
    const changed = [...this.#changed];
    this.#changed = new Set();
    return changed;
  }

  #keep(key: string, route: ServiceRoute): void {
    this.#routes.set(key, route);
    const of = portKey(route);
    const port = this.#ports.get(of);
    if (port === undefined) this.#ports.set(of, new Map([[key, route]]));
    else port.set(key, route);
  }
}

/** Ports of one number and name with other protocols are others. */
function portKey({ name, protocol }: ServiceRoute): string {
  return `${name} ${protocol}`;
}
