import { Batch } from '../../netlink/nftables/batch.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { tableList } from '../../netlink/nftables/list.ts';
import type { Netns } from '../../sys/netns.ts';
import type { ProxyBackend, SyncResult } from '../backend.ts';
import type { ServiceRoute } from '../model/route.ts';
import { type ActualTable, actualOf, readTable } from './actual.ts';
import { addDifference } from './difference.ts';
import { TABLE } from './layout.ts';
import { planTable } from './plan.ts';

const FAMILIES = [4, 6] as const;

/**
 * Services as elements of nftables maps. Both families change in one transaction. What the kernel
 * has is read once and adopted, so a restart sends nothing when nothing changed meanwhile.
 */
export class NftablesBackend implements ProxyBackend {
  readonly name = 'nftables';
  readonly #connection: NftablesConnection;
  #applied: ReadonlyMap<4 | 6, ActualTable> | undefined;

  private constructor(connection: NftablesConnection) {
    this.#connection = connection;
  }

  /** Opens it in `netns`, or in the namespace the thread is in. */
  static open(netns?: Netns): NftablesBackend {
    return new NftablesBackend(NftablesConnection.open(netns));
  }

  sync(routes: readonly ServiceRoute[]): SyncResult {
    const batch = new Batch(this.#connection);
    const applied = new Map<4 | 6, ActualTable>();
    for (const family of FAMILIES) {
      const plan = planTable(family, routes);
      const actual = this.#applied?.get(family) ?? readTable(this.#connection, family, plan);
      addDifference(batch, family, plan, actual);
      applied.set(family, actualOf(plan));
    }
    // When the kernel refuses, nothing was applied and what is known may be wrong: read again.
    this.#applied = undefined;
    batch.commit();
    this.#applied = applied;
    return { changes: batch.length };
  }

  invalidate(): void {
    this.#applied = undefined;
  }

  cleanup(): readonly string[] {
    this.#applied = undefined;
    const batch = new Batch(this.#connection);
    const removed: string[] = [];
    for (const family of FAMILIES) {
      const table = TABLE[family];
      const tables = tableList(this.#connection, table.family);
      if (!tables.some(({ name }) => name === table.name)) continue;
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
}
