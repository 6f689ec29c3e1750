import { PodwireError } from '../../errors.ts';
import { NETLINK_NETFILTER } from '../../netlink/netfilter.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import { generationGet, NftablesConnection } from '../../netlink/nftables/connection.ts';
import { tableFind } from '../../netlink/nftables/list.ts';
import { netlinkHolder } from '../../sys/netlink-owner.ts';
import type { Netns } from '../../sys/netns.ts';
import {
  type Desired,
  OwnedElsewhereError,
  type Protection,
  type ProxyBackend,
  type Quarantined,
  type SyncResult,
} from '../backend.ts';
import type { DepartedWay, ServiceRoute } from '../model/route.ts';
import { readTable } from './actual.ts';
import { watchTables } from './drift.ts';
import { FAMILIES, type IpFamily, TABLE } from './names.ts';
import { probeFlags, probeRules } from './probe.ts';
import { type TableFlags, TableSync } from './table-sync.ts';

/** How often a failed load is cut in halves: enough to single out one route of a million. */
const BISECT_DEPTH_MAX = 24;

/**
 * Services as elements of nftables maps. Both families change in one transaction. What the kernel
 * has is read once and adopted, so a restart sends nothing when nothing changed meanwhile.
 */
export class NftablesBackend implements ProxyBackend {
  readonly name = 'nftables';
  readonly #connection: NftablesConnection;
  readonly #netns: Netns | undefined;
  readonly #mayOwn: boolean;
  #flags: TableFlags | undefined;
  /** What is known to be in the kernel; undefined when it has to be read. */
  #tables: ReadonlyMap<IpFamily, TableSync> | undefined;
  /** What was, for the numbers in it. */
  #previous: ReadonlyMap<IpFamily, TableSync> | undefined;
  #quarantined = new Map<string, Quarantined>();
  readonly #departed: DepartedWay[] = [];
  /** The generation of the ruleset at which the kernel has what we think; undefined: no telling. */
  #generation: number | undefined;
  #watching = false;
  #doubted = false;

  private constructor(connection: NftablesConnection, netns: Netns | undefined, mayOwn: boolean) {
    this.#connection = connection;
    this.#netns = netns;
    this.#mayOwn = mayOwn;
  }

  /**
   * Opens it in `netns`, or in the namespace the thread is in. `own` false leaves the tables open to
   * others, as kernels without owner flags do.
   */
  static open(netns?: Netns, options: { readonly own?: boolean } = {}): NftablesBackend {
    return new NftablesBackend(NftablesConnection.open(netns), netns, options.own ?? true);
  }

  /** Throws KernelLacksError when the kernel can't do what the rules need. */
  probe(): void {
    for (const family of FAMILIES) probeRules(this.#connection, family);
  }

  get protection(): Protection | undefined {
    if (this.#flags === undefined || this.#tables === undefined) return undefined;
    if ([...this.#tables.values()].every(({ isOwned }) => isOwned)) {
      return { isOwned: true, reason: 'nobody else can change the tables while this process runs' };
    }
    const reason =
      this.#flags.length === 0
        ? 'the kernel has no tables that are owned and outlive their owner (Linux 6.9)'
        : 'the tables were made without an owner, and stay so until they are made anew';
    return { isOwned: false, reason: `${reason}; what others change is repaired` };
  }

  sync(desired: Desired): SyncResult {
    for (const key of desired.changes.keys()) this.#quarantined.delete(key);
    if (this.#doubted && !this.#isUntouched()) this.#forget();
    this.#doubted = false;
    const full = this.#tables === undefined;
    try {
      const changes = full ? this.#load(desired) : this.#update(desired);
      const quarantined = [...this.#quarantined.values()];
      return { changes, full, quarantined, departed: this.#departed.splice(0) };
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  invalidate(): void {
    this.#doubted = true;
  }

  watch(onDrift: () => void): Disposable {
    const watch = watchTables(this.#netns, {
      onDrift: () => {
        this.#generation = undefined;
        onDrift();
      },
      onGeneration: (generation) => {
        if (this.#generation !== undefined) {
          this.#generation = Math.max(this.#generation, generation);
        }
      },
    });
    // What was changed before it was open is not told of.
    const isMissed =
      this.#tables !== undefined && this.#generation !== generationGet(this.#connection);
    if (isMissed) setImmediate(onDrift);
    this.#watching = true;
    return {
      [Symbol.dispose]: () => {
        this.#watching = false;
        watch[Symbol.dispose]();
      },
    };
  }

  /** Whether the kernel's own count shows that nobody changed a thing: then nothing has to be read. */
  #isUntouched(): boolean {
    return this.#watching && this.#generation === generationGet(this.#connection);
  }

  /** What the kernel has is not known any more. */
  #forget(): void {
    this.#previous = this.#tables ?? this.#previous;
    this.#tables = undefined;
    this.#generation = undefined;
  }

  /**
   * Throws OwnedElsewhereError while another process owns the tables: it runs, and nobody else can
   * change them.
   */
  checkOwner(): void {
    const owned = FAMILIES.flatMap((family) => {
      const table = tableFind(this.#connection, TABLE[family]);
      const { portId } = this.#connection.netlink;
      return table?.owner === undefined || table.owner === portId ? [] : [table];
    });
    const [first] = owned;
    if (first?.owner === undefined) return;
    const { owner } = first;
    const find = () => netlinkHolder(NETLINK_NETFILTER, owner);
    const holder = this.#netns === undefined ? find() : this.#netns.run(find);
    throw new OwnedElsewhereError(
      owned.map(({ family, name }) => `table ${family} ${name}`),
      holder === undefined
        ? `a process that is not seen from here (netlink port ${owner})`
        : `process ${holder.pid} (${holder.name})`,
    );
  }

  cleanup(): readonly string[] {
    this.checkOwner();
    this.#tables = undefined;
    const batch = new Batch(this.#connection);
    const removed: string[] = [];
    for (const family of FAMILIES) {
      const table = tableFind(this.#connection, TABLE[family]);
      if (table === undefined) continue;
      batch.tableDel(table);
      removed.push(`table ${table.family} ${table.name}`);
    }
    batch.commit();
    return removed;
  }

  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads what the kernel has and makes it what is desired. */
  #load(desired: Desired): number {
    this.#quarantined.clear();
    const routes = [...desired.routes()];
    try {
      return this.#adopt(desired, routes);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.#loadBisected(desired, routes, error);
    }
  }

  /** One batch that turns what the kernel has into `routes`. */
  #adopt(desired: Desired, routes: readonly (readonly [string, ServiceRoute])[]): number {
    this.#forget();
    this.checkOwner();
    this.#flags ??= this.#mayOwn ? probeFlags(this.#connection, 4) : [];
    const generation = generationGet(this.#connection);
    const batch = new Batch(this.#connection);
    const tables = new Map<IpFamily, TableSync>();
    const departed: DepartedWay[] = [];
    for (const family of FAMILIES) {
      const table = new TableSync(family);
      const actual = readTable(this.#connection, family);
      const previous = this.#previous?.get(family);
      const adoption = { node: desired.node, routes, flags: this.#flags, previous };
      departed.push(...table.adopt(batch, actual, adoption));
      tables.set(family, table);
    }
    const { length } = batch;
    batch.commit();
    this.#departed.push(...departed);
    this.#tables = tables;
    this.#generation = length === 0 ? generation : generation + 1;
    return length - [...tables.values()].filter(({ isTakenOver }) => isTakenOver).length;
  }

  /**
   * The kernel refuses the routes as a whole: those it takes are loaded, by halves, and those that are
   * refused even alone are set aside.
   */
  #loadBisected(
    desired: Desired,
    routes: readonly (readonly [string, ServiceRoute])[],
    refusal: Error,
  ): number {
    // The rules without any route must be possible, else no single route is to blame.
    let changes = this.#adopt(desired, []);
    const pending: { part: readonly (readonly [string, ServiceRoute])[]; depth: number }[] = [
      { part: routes, depth: 0 },
    ];
    let error = refusal;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { part, depth } = next;
      const [only] = part;
      if (only === undefined) continue;
      if (depth > 0) {
        try {
          changes += this.#apply(desired, new Map(part));
          continue;
        } catch (cause) {
          if (!isRefusal(cause)) throw cause;
          error = cause;
          // The state has the refused routes in it; it starts again from what was taken.
          this.#adopt(desired, this.#taken(desired, pending, part));
        }
      }
      if (part.length === 1 || depth >= BISECT_DEPTH_MAX) {
        for (const [key, route] of part) this.#quarantined.set(key, { route, error });
        continue;
      }
      const middle = part.length >> 1;
      pending.push({ part: part.slice(middle), depth: depth + 1 });
      pending.push({ part: part.slice(0, middle), depth: depth + 1 });
    }
    return changes;
  }

  /** The routes that are in the kernel while others are still to be tried. */
  #taken(
    desired: Desired,
    pending: readonly { part: readonly (readonly [string, ServiceRoute])[] }[],
    refused: readonly (readonly [string, ServiceRoute])[],
  ): (readonly [string, ServiceRoute])[] {
    const open = new Set(pending.flatMap(({ part }) => part.map(([key]) => key)));
    for (const [key] of refused) open.add(key);
    return [...desired.routes()].filter(([key]) => !open.has(key) && !this.#quarantined.has(key));
  }

  /** Sends what changed since the last sync. */
  #update(desired: Desired): number {
    try {
      return this.#apply(desired, desired.changes);
    } catch (error) {
      this.#forget();
      if (!isRefusal(error)) throw error;
      // What is in the kernel may not be what we think; compare, and single out what it refuses.
      return this.#load(desired);
    }
  }

  #apply(desired: Desired, routes: ReadonlyMap<string, ServiceRoute | undefined>): number {
    const batch = new Batch(this.#connection);
    for (const [family, table] of this.#tables ?? []) {
      table.update(batch, desired.node, [...routes].filter(concerns(family)));
    }
    batch.commit();
    if (this.#generation !== undefined && batch.length > 0) this.#generation += 1;
    return batch.length;
  }
}

/** A route that is gone could be of either family. */
function concerns(family: IpFamily) {
  return ([, route]: readonly [string, ServiceRoute | undefined]): boolean =>
    route === undefined || route.family === family;
}

/** Whether it is about what was sent, so that sending less may do. */
function isRefusal(error: unknown): error is PodwireError {
  return (
    error instanceof PodwireError &&
    ['ERR_NETLINK', 'ERR_PROXY_CLASSES', 'ERR_PROXY_POOLS'].includes(error.code)
  );
}
