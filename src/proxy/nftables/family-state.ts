import { goTo } from '../../netlink/nftables/expression/verdict.ts';
import { hostU32 } from '../../netlink/nftables/value.ts';
import type { EndpointTarget } from '../model/endpoint.ts';
import type { Pool } from '../model/pool.ts';
import type { ServiceRoute } from '../model/route.ts';
import type { NodeRules } from '../node.ts';
import { CountedSet } from './counted-set.ts';
import {
  clusterAddrElement,
  hairpinElement,
  nodeElements,
  poolElements,
  routeElements,
} from './element.ts';
import type { ElementChanges } from './element-changes.ts';
import { type IpFamily, SET } from './names.ts';
import { ClassTable, type Pick, pickOf } from './pick.ts';
import { type KnownPool, type PlacedPool, PoolTable } from './pools.ts';

/** The numbers in use, from the kernel's elements; see `known.ts`. */
export interface KnownNumbers {
  /** The class of each chain that picks. */
  readonly classes: ReadonlyMap<string, number>;
  /** The numbers of one of the route's pools. */
  poolOf(route: ServiceRoute, poolId: string): KnownPool | undefined;
  /** The highest pool number there is. */
  readonly poolNumberMax: number;
}

/** The ways of picking that chains are needed for. */
export interface PickChange {
  readonly added: readonly Pick[];
  readonly removed: readonly Pick[];
}

/**
 * What one family's table shall hold, kept up route by route. It holds routes and pools, not elements:
 * those of what changes are made from before and after, so memory and time follow the change.
 */
export class FamilyState {
  readonly #family: IpFamily;
  readonly #routes = new Map<string, ServiceRoute>();
  readonly #classes = new ClassTable();
  readonly #pools = new PoolTable(this.#classes);
  readonly #hairpin = new CountedSet();
  readonly #clusterAddrs = new CountedSet();
  #picks = new Map<string, number>();
  #node: NodeRules | undefined;

  constructor(family: IpFamily) {
    this.#family = family;
  }

  /** A pool's numbers, for a state that takes this one's place. */
  knownPool(id: string): KnownPool | undefined {
    return this.#pools.known(id);
  }

  /** Takes over the numbers the kernel has. To be called once, before the first `apply`. */
  adopt(known: KnownNumbers): void {
    for (const [chain, classId] of known.classes) this.#classes.adopt(chain, classId);
    this.#pools.startAfter(known.poolNumberMax);
  }

  /**
   * Makes `routes` so, and the node's rules, and tells `changes` what was and what shall be. Throws
   * when numbers run out; the state is of no use after that.
   */
  apply(
    node: NodeRules,
    routes: Iterable<readonly [string, ServiceRoute | undefined]>,
    changes: ElementChanges,
    known?: KnownNumbers,
  ): PickChange {
    const touched = [...routes].map(([key, after]) => ({
      key,
      before: this.#routes.get(key),
      after: after?.family === this.#family ? after : undefined,
    }));
    const pools = this.#touchedPools(touched);
    const before = changes.before.bind(changes);
    const after = changes.after.bind(changes);
    for (const route of touched) this.#emitRoute(route.before, before);
    for (const { key, before: old, after: route } of touched) {
      for (const id of poolIdsOf(old)) this.#pools.release(id);
      for (const id of poolIdsOf(route)) this.#pools.retain(id);
      if (old?.entry === 'cluster-ip' && old.addr !== undefined) {
        this.#clusterAddrs.remove(clusterAddrElement(old.addr));
      }
      if (route?.entry === 'cluster-ip' && route.addr !== undefined) {
        this.#clusterAddrs.add(clusterAddrElement(route.addr));
      }
      if (route === undefined) this.#routes.delete(key);
      else this.#routes.set(key, route);
    }
    for (const [id, { pool, route }] of pools) {
      const found = route === undefined ? undefined : known?.poolOf(route, id);
      const was = this.#pools.get(id);
      this.#pools.place(id, pool, found);
      const is = this.#pools.get(id);
      poolElements(was, is, before);
      poolElements(is, was, after);
      for (const each of selfMeeting(was)) this.#hairpin.remove(hairpinElement(each));
      for (const each of selfMeeting(is)) this.#hairpin.add(hairpinElement(each));
    }
    for (const route of touched) this.#emitRoute(route.after, after);
    this.#settle(SET.hairpin, this.#hairpin, changes);
    this.#settle(SET.clusterAddrs, this.#clusterAddrs, changes);
    this.#applyNode(node, changes);
    return this.#applyPicks(changes);
  }

  /** The pools of the routes, and what they shall be; undefined for those no route leads to. */
  #touchedPools(
    touched: readonly {
      readonly before: ServiceRoute | undefined;
      readonly after: ServiceRoute | undefined;
    }[],
  ): Map<string, { pool: Pool | undefined; route: ServiceRoute | undefined }> {
    const pools = new Map<string, { pool: Pool | undefined; route: ServiceRoute | undefined }>();
    for (const { before } of touched) {
      for (const pool of poolsOf(before)) pools.set(pool.id, { pool, route: undefined });
    }
    for (const { after } of touched) {
      for (const pool of poolsOf(after)) pools.set(pool.id, { pool, route: after });
    }
    return pools;
  }

  #emitRoute(route: ServiceRoute | undefined, emit: ElementChanges['before']): void {
    if (route === undefined) return;
    routeElements(route, (id) => this.#pools.get(id)?.target ?? 0, emit);
  }

  #settle(set: string, counted: CountedSet, changes: ElementChanges): void {
    counted.settle(
      (element) => changes.before(set, element),
      (element) => changes.after(set, element),
    );
  }

  #applyNode(node: NodeRules, changes: ElementChanges): void {
    if (node === this.#node) return;
    if (this.#node !== undefined)
      nodeElements(this.#node, this.#family, changes.before.bind(changes));
    nodeElements(node, this.#family, changes.after.bind(changes));
    this.#node = node;
  }

  #applyPicks(changes: ElementChanges): PickChange {
    const before = this.#picks;
    const after = new Map(this.#classes.used());
    const emit = (call: 'before' | 'after', picks: ReadonlyMap<string, number>): void => {
      for (const [chain, classId] of picks) {
        const data = { verdict: goTo(chain) };
        changes[call](SET.pickChains, { key: hostU32(classId), data });
      }
    };
    emit('before', before);
    emit('after', after);
    this.#picks = after;
    this.#classes.prune();
    return {
      added: picksOf([...after.keys()].filter((chain) => !before.has(chain))),
      removed: picksOf([...before.keys()].filter((chain) => !after.has(chain))),
    };
  }
}

function picksOf(chains: readonly string[]): Pick[] {
  return chains.map(pickOf).filter((pick) => pick !== undefined);
}

/** The endpoints of a pool that can reach themselves through this node. */
function selfMeeting(pool: PlacedPool | undefined): readonly EndpointTarget[] {
  return pool === undefined ? [] : pool.slots.filter(({ mayMeetItself }) => mayMeetItself);
}

function poolsOf(route: ServiceRoute | undefined): Pool[] {
  if (route === undefined) return [];
  const { outside, host } = route.ways;
  return outside.pool === host.pool ? [outside.pool] : [outside.pool, host.pool];
}

function poolIdsOf(route: ServiceRoute | undefined): string[] {
  return poolsOf(route).map(({ id }) => id);
}
