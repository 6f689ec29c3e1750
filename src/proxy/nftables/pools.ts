import { PodwireError } from '../../errors.ts';
import type { EndpointTarget } from '../model/endpoint.ts';
import type { Pool } from '../model/pool.ts';
import type { ClassTable, Pick } from './pick.ts';
import { assignSlots, targetKey } from './slots.ts';
import { CLASS_MAX, POOL_MAX, target } from './target.ts';

/** A pool as the kernel shall have it. */
export interface PlacedPool {
  /** Its number in the kernel's maps. */
  readonly number: number;
  readonly target: number;
  readonly pick: Pick;
  /** The endpoints by slot. */
  readonly slots: readonly EndpointTarget[];
  /** Of a pool that remembers clients: each slot's lasting number in it, from 1. */
  readonly indexes: readonly number[];
}

const NO_INDEXES: readonly number[] = [];

/** What the kernel has of a pool, so that its numbers can be kept. */
export interface KnownPool {
  readonly number: number;
  /** The endpoints by slot: address and port as `targetKey` has them. */
  readonly slots: readonly string[];
  readonly indexes: ReadonlyMap<string, number>;
}

/** There are more pools than numbers for them. */
export class PoolsExhaustedError extends PodwireError {
  constructor(id: string) {
    super('ERR_PROXY_POOLS', `pool "${id}": all ${POOL_MAX} numbers are in use`);
  }
}

/** Gives pools their numbers and endpoints their slots, and keeps both as long as they are used. */
export class PoolTable {
  readonly #placed = new Map<string, PlacedPool>();
  readonly #users = new Map<string, number>();
  readonly #taken = new Set<number>();
  readonly #classes: ClassTable;
  #next = 1;

  constructor(classes: ClassTable) {
    this.#classes = classes;
  }

  get(id: string): PlacedPool | undefined {
    return this.#placed.get(id);
  }

  /** A pool's numbers, for a table that takes this one's place. */
  known(id: string): KnownPool | undefined {
    const pool = this.#placed.get(id);
    if (pool === undefined) return undefined;
    const slots = pool.slots.map(targetKey);
    return { number: pool.number, slots, indexes: knownIndexes(pool) ?? new Map() };
  }

  /** Counts one more route that uses a pool. */
  retain(id: string): void {
    this.#users.set(id, (this.#users.get(id) ?? 0) + 1);
  }

  /** Counts one less. */
  release(id: string): void {
    this.#users.set(id, (this.#users.get(id) ?? 0) - 1);
  }

  /**
   * Puts a pool in place as it is now, or takes it away when no route uses it any more or it is empty.
   * `known` is what the kernel has, for a pool that is not in place yet. Throws PoolsExhaustedError.
   */
  place(id: string, pool: Pool | undefined, known?: KnownPool): void {
    const before = this.#placed.get(id);
    if (before !== undefined) this.#classes.release(before.pick);
    const isUsed = (this.#users.get(id) ?? 0) > 0;
    if (!isUsed) this.#users.delete(id);
    if (!isUsed || pool === undefined || pool.endpoints.length === 0) {
      this.#placed.delete(id);
      if (before !== undefined) this.#taken.delete(before.number);
      return;
    }
    const had = before?.slots ?? reorder(pool.endpoints, known?.slots ?? []);
    const endpoints =
      pool.affinitySeconds === 0 ? pool.endpoints : pool.endpoints.slice(0, CLASS_MAX);
    const slots = assignSlots(had, endpoints);
    const number = before?.number ?? this.#number(id, known?.number);
    this.#taken.add(number);
    const { classId, pick } = this.#classes.acquire({
      count: slots.length,
      stickySeconds: pool.affinitySeconds,
    });
    this.#placed.set(id, {
      number,
      target: target(number, classId),
      pick,
      slots,
      indexes:
        pool.affinitySeconds === 0
          ? NO_INDEXES
          : indexesOf(slots, knownIndexes(before) ?? known?.indexes),
    });
  }

  #number(id: string, known: number | undefined): number {
    if (known !== undefined && known > 0 && known <= POOL_MAX && !this.#taken.has(known)) {
      return known;
    }
    if (this.#taken.size >= POOL_MAX) throw new PoolsExhaustedError(id);
    while (this.#taken.has(this.#next)) this.#next = this.#next === POOL_MAX ? 1 : this.#next + 1;
    return this.#next;
  }

  /** Keeps numbers that the kernel's elements have from being given to others meanwhile. */
  startAfter(number: number): void {
    this.#next = number >= POOL_MAX ? 1 : Math.max(this.#next, number + 1);
  }
}

/** The endpoints the kernel has, in its order of slots; those that are no more leave a gap. */
function reorder(
  endpoints: readonly EndpointTarget[],
  slots: readonly string[],
): readonly EndpointTarget[] {
  if (slots.length === 0) return [];
  const byKey = new Map(endpoints.map((each) => [targetKey(each), each]));
  return slots.flatMap((key) => byKey.get(key) ?? []);
}

function knownIndexes(pool: PlacedPool | undefined): ReadonlyMap<string, number> | undefined {
  if (pool === undefined || pool.indexes.length === 0) return undefined;
  return new Map(pool.slots.map((each, slot) => [targetKey(each), pool.indexes[slot] ?? 0]));
}

/** Numbers for the endpoints of a pool, from 1: the one it had, else the lowest that is free. */
function indexesOf(
  slots: readonly EndpointTarget[],
  known: ReadonlyMap<string, number> | undefined,
): number[] {
  const kept = slots.map((each) => known?.get(targetKey(each)));
  const taken = new Set(kept);
  let next = 1;
  return kept.map((index) => {
    if (index !== undefined) return index;
    while (taken.has(next)) next += 1;
    taken.add(next);
    return next;
  });
}
