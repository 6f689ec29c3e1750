import type { ClusterState } from '../../cluster/store.ts';
import { type PlannedRoute, routesOf, type ServiceRoute, sameRoute } from './route.ts';
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

/**
 * All routes of the cluster, kept up to date Service by Service: a change costs what it touches,
 * whatever the size of the cluster.
 */
export class RouteTable {
  #settings: ModelSettings;
  /** Lists, for most Services have a route or two, and a map of so few takes ten times as much. */
  readonly #byService = new Map<string, readonly PlannedRoute[]>();
  readonly #inForce = new Map<string, PlannedRoute>();
  /** Where several Services want a key: what they want, in the order of their names. The first has it. */
  readonly #contested = new Map<string, readonly PlannedRoute[]>();
  readonly #changed = new Set<string>();

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  /** Plans everything again, for other settings. */
  reset(settings: ModelSettings, state: ClusterState): void {
    this.#settings = settings;
    this.update(state, new Set([...this.#byService.keys(), ...state.services.keys()]));
  }

  /** Plans the Services that changed again. */
  update(state: ClusterState, touched: Iterable<string>): void {
    for (const service of touched) {
      const before = this.#byService.get(service) ?? [];
      const planned = this.#plan(state, service);
      const after = before.length === 0 ? planned : keepSame(before, planned);
      if (after.length === 0) this.#byService.delete(service);
      else this.#byService.set(service, after);
      if (before.length > 0) {
        const kept = new Set(after.map(({ key }) => key));
        for (const { key } of before) if (!kept.has(key)) this.#claim(key, service, undefined);
      }
      for (const route of after) this.#claim(route.key, service, route);
    }
  }

  /** How many Services have routes. */
  get serviceCount(): number {
    return this.#byService.size;
  }

  /** How many routes are in force. */
  get routeCount(): number {
    return this.#inForce.size;
  }

  /** The route in force for a key of `routeKey`. */
  get(key: string): ServiceRoute | undefined {
    return this.#inForce.get(key);
  }

  /** All routes in force, with their keys. */
  routes(): Iterable<readonly [string, ServiceRoute]> {
    return this.#inForce;
  }

  /** Who lost, and to whom. */
  conflicts(): Conflict[] {
    return [...this.#contested.values()].flatMap(([first, ...others]) =>
      others.map(({ name }) => ({ winner: first?.name ?? '', loser: name })),
    );
  }

  /** Gives the changes since the last call, and forgets them. */
  takeChanges(): RouteChanges {
    const routes = new Map([...this.#changed].map((key) => [key, this.get(key)]));
    this.#changed.clear();
    return { routes };
  }

  #plan(state: ClusterState, key: string): readonly PlannedRoute[] {
    const service = state.services.get(key);
    if (service === undefined) return [];
    const { namespace, name } = service.metadata;
    const routes = routesOf(service, state.slicesOf(namespace, name), this.#settings);
    if (routes.length < 2) return routes;
    // One Service can name an address twice; the kind that comes first holds.
    const keys = new Set<string>();
    return routes.filter((route) => keys.size < keys.add(route.key).size);
  }

  /** Has a Service want `route` for a key, or nothing any more. */
  #claim(key: string, service: string, route: PlannedRoute | undefined): void {
    const before = this.#inForce.get(key);
    if (before === route) return;
    const all = this.#contested.get(key) ?? (before === undefined ? [] : [before]);
    const others = all.filter((each) => each.service !== service);
    const claims = route === undefined ? others : [...others, route].sort(byService);
    if (claims.length > 1) this.#contested.set(key, claims);
    else this.#contested.delete(key);
    const [after] = claims;
    if (after === undefined) this.#inForce.delete(key);
    else this.#inForce.set(key, after);
    if (before !== after) this.#changed.add(key);
  }
}

function byService(a: PlannedRoute, b: PlannedRoute): number {
  return a.service < b.service ? -1 : 1;
}

/** What is planned, with what means the same as before as it was before. */
function keepSame(
  before: readonly PlannedRoute[],
  planned: readonly PlannedRoute[],
): readonly PlannedRoute[] {
  const known = new Map(before.map((route) => [route.key, route]));
  return planned.map((route) => {
    const old = known.get(route.key);
    return old !== undefined && sameRoute(old, route) ? old : route;
  });
}
