import type { ClusterState } from '../../cluster/store.ts';
import { routeKey, routesOf, type ServiceRoute, sameRoute } from './route.ts';
import type { ModelSettings } from './settings.ts';

/** Two Services that want one address, protocol and port; the first by name has it. */
export interface Conflict {
  readonly winner: string;
  readonly loser: string;
}

/** What became different since the last time it was asked for. */
export interface RouteChanges {
  /** By key: the route that is in force now, or undefined when there is none any more. */
  readonly routes: ReadonlyMap<string, ServiceRoute | undefined>;
}

/** One Service's routes by their keys. */
type Routes = ReadonlyMap<string, ServiceRoute>;

/**
 * All routes of the cluster, kept up to date Service by Service: a change costs what it touches,
 * whatever the size of the cluster.
 */
export class RouteTable {
  #settings: ModelSettings;
  readonly #byService = new Map<string, Routes>();
  /** Who wants a key: Services in the order of their names. The first has it. */
  readonly #claims = new Map<string, readonly string[]>();
  readonly #contested = new Set<string>();
  readonly #changed = new Set<string>();

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  /** Plans everything again, for other settings. */
  reset(settings: ModelSettings, state: ClusterState): void {
    this.#settings = settings;
    this.update(state, [...new Set([...this.#byService.keys(), ...state.services.keys()])]);
  }

  /** Plans the Services that changed again. */
  update(state: ClusterState, touched: readonly string[]): void {
    for (const key of touched) {
      const before = this.#byService.get(key);
      const after = this.#plan(state, key);
      if (after.size === 0) this.#byService.delete(key);
      else this.#byService.set(key, after);
      for (const [at, route] of before ?? []) {
        const other = after.get(at);
        if (other === undefined) this.#unclaim(at, key);
        else if (!sameRoute(route, other)) this.#changed.add(at);
      }
      for (const at of after.keys()) if (before?.has(at) !== true) this.#claim(at, key);
    }
  }

  /** How many Services have routes. */
  get serviceCount(): number {
    return this.#byService.size;
  }

  /** How many routes are in force. */
  get routeCount(): number {
    return this.#claims.size;
  }

  /** The route in force for a key of `routeKey`. */
  get(key: string): ServiceRoute | undefined {
    const [service = ''] = this.#claims.get(key) ?? [];
    return this.#byService.get(service)?.get(key);
  }

  /** All routes in force, with their keys. */
  *routes(): Generator<readonly [string, ServiceRoute], undefined> {
    for (const key of this.#claims.keys()) {
      const route = this.get(key);
      if (route !== undefined) yield [key, route];
    }
  }

  /** Who lost, and to whom. */
  conflicts(): Conflict[] {
    return [...this.#contested].flatMap((key) => {
      const [first = '', ...others] = this.#claims.get(key) ?? [];
      const name = (service: string) => this.#byService.get(service)?.get(key)?.name ?? service;
      return others.map((loser) => ({ winner: name(first), loser: name(loser) }));
    });
  }

  /** Gives the changes since the last call, and forgets them. */
  takeChanges(): RouteChanges {
    const routes = new Map([...this.#changed].map((key) => [key, this.get(key)]));
    this.#changed.clear();
    return { routes };
  }

  #plan(state: ClusterState, key: string): Routes {
    const service = state.services.get(key);
    if (service === undefined) return new Map();
    const { namespace, name } = service.metadata;
    const routes = routesOf(service, state.slicesOf(namespace, name), this.#settings);
    const byKey = new Map<string, ServiceRoute>();
    for (const route of routes) {
      const at = routeKey(route);
      // One Service can name an address twice; the kind that comes first holds.
      if (!byKey.has(at)) byKey.set(at, route);
    }
    return byKey;
  }

  #claim(at: string, service: string): void {
    const claims = this.#claims.get(at) ?? [];
    this.#setClaims(at, claims, [...claims, service].sort());
  }

  #unclaim(at: string, service: string): void {
    const claims = this.#claims.get(at) ?? [];
    this.#setClaims(
      at,
      claims,
      claims.filter((each) => each !== service),
    );
  }

  #setClaims(at: string, before: readonly string[], after: readonly string[]): void {
    if (after.length === 0) this.#claims.delete(at);
    else this.#claims.set(at, after);
    if (after.length > 1) this.#contested.add(at);
    else this.#contested.delete(at);
    if (before[0] !== after[0]) this.#changed.add(at);
  }
}
