import type { ClusterState } from '../../cluster/store.ts';
import { routesOf, type ServiceRoute } from './route.ts';

/** Two Services that want one address, protocol and port; the first by name has it. */
export interface Conflict {
  readonly winner: string;
  readonly loser: string;
}

/** All routes of the cluster, kept up to date Service by Service. */
export class RouteTable {
  readonly #byService = new Map<string, readonly ServiceRoute[]>();

  /** Plans the Services that changed again. */
  update(state: ClusterState, touched: readonly string[]): void {
    for (const key of touched) {
      const service = state.services.get(key);
      if (service === undefined) {
        this.#byService.delete(key);
        continue;
      }
      const { namespace, name } = service.metadata;
      this.#byService.set(key, routesOf(service, state.slicesOf(namespace, name)));
    }
  }

  /** How many Services are known. */
  get serviceCount(): number {
    return this.#byService.size;
  }

  /** The routes in force, in the order of the Services' names, and who lost a conflict. */
  routes(): { readonly routes: readonly ServiceRoute[]; readonly conflicts: readonly Conflict[] } {
    const taken = new Map<string, ServiceRoute>();
    const conflicts: Conflict[] = [];
    for (const key of [...this.#byService.keys()].sort()) {
      for (const route of this.#byService.get(key) ?? []) {
        const at = `${route.addr.key} ${route.protocol} ${route.port}`;
        const other = taken.get(at);
        if (other === undefined) taken.set(at, route);
        else conflicts.push({ winner: other.name, loser: route.name });
      }
    }
    return { routes: [...taken.values()], conflicts };
  }
}
