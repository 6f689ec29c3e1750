import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../../../src/cluster/store.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { Batch } from '../../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../../src/netlink/nftables/connection.ts';
import type { Element } from '../../../src/netlink/nftables/element.ts';
import { DEFAULT_SETTINGS } from '../../../src/proxy/model/settings.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { readTable } from '../../../src/proxy/nftables/actual.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES } from '../../../src/proxy/node.ts';
import { nodeRulesIn, type ProxyOptions, settingsIn } from '../../../src/proxy/options.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { type Change, changeSequences } from '../../conformance/proxy/clusters.ts';
import { NODE_NAME } from '../../conformance/proxy/world.ts';

/*
 * Whatever happens to a cluster, change by change: what the model and the kernel have then is what they
 * would have if it had been so from the start. A failure prints the seed and the smallest sequence of
 * changes that fast-check finds for it.
 */

const TIME_LIMIT_MS = 15_000;
const RUNS_MAX = 1_000;
/** On a machine that is busy with much else; usually there are ten times as many. */
const RUNS_MIN = 5;

const OPTIONS: ProxyOptions = {
  settings: {
    ...DEFAULT_SETTINGS,
    nodeName: NODE_NAME,
    detector: {
      kind: 'prefixes',
      prefixes: [parsePrefix('10.180.0.0/24'), parsePrefix('fd00:180::/64')],
    },
  },
  node: DEFAULT_NODE_RULES,
  nodePorts: 'primary',
  localAddrs: () => [],
  detectsByNode: false,
  syncPeriodMs: 30_000,
};

const paths = ['stepwise', 'whole'].map((name) => `/run/netns/podwire-${name}-${process.pid}`);
let stepwise: Netns;
let whole: Netns;
beforeAll(() => {
  for (const path of paths) createNamedNetns(path);
  [stepwise, whole] = paths.map((path) => Netns.open(path)) as [Netns, Netns];
});
afterAll(() => {
  stepwise.close();
  whole.close();
  for (const path of paths) deleteNamedNetns(path);
});

function empty(netns: Netns): void {
  using backend = NftablesBackend.open(netns, { own: false });
  backend.cleanup();
}

/** The proxy without its timers: each batch is synced once. */
class Stepwise implements Disposable {
  readonly store = new Store();
  readonly table = new RouteTable(settingsIn(this.store, OPTIONS));
  #backend = NftablesBackend.open(stepwise, { own: false });

  constructor() {
    this.store.subscribe((state, touched, { nodes }) => {
      if (nodes.length > 0) this.table.reset(settingsIn(state, OPTIONS), state);
      else this.table.update(state, touched);
    });
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if ('put' in change) this.store.update([change.put]);
      else if ('remove' in change) this.store.update([], [change.remove]);
      else if ('flush' in change) this.#flush(change.flush);
      else this.#restart();
    }
    sync(this.#backend, this.table, this.store);
  }

  [Symbol.dispose](): void {
    this.#backend.close();
  }

  #flush(set: string): void {
    using connection = NftablesConnection.open(stepwise);
    if (readTable(connection, 4) === undefined) return;
    const batch = new Batch(connection);
    batch.setFlush({ family: 'ip', name: 'podwire' }, set);
    batch.commit();
    this.#backend.invalidate();
  }

  #restart(): void {
    this.#backend.close();
    this.#backend = NftablesBackend.open(stepwise, { own: false });
  }
}

function sync(backend: NftablesBackend, table: RouteTable, store: Store): void {
  const changes = table.takeChanges().routes;
  const node = nodeRulesIn(store, OPTIONS);
  const { quarantined } = backend.sync({ node, routes: () => table.routes(), changes });
  expect(quarantined).toEqual([]);
}

const u32 = (bytes: Uint8Array, at = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const dataOf = ({ data }: Element): Uint8Array =>
  data !== undefined && 'value' in data ? data.value : new Uint8Array(4);

/**
 * All that is in the kernel, with what the numbers of pools and classes stand for in their place: those
 * depend on the order in which things came.
 */
function contentsOf(netns: Netns, family: 4 | 6): string[] {
  using connection = NftablesConnection.open(netns);
  const table = readTable(connection, family);
  if (table === undefined) return ['no table'];
  const of = (set: string): readonly Element[] => table.elements.get(set) ?? [];
  const chainOf = new Map(
    of('pick-chains').map(({ key, data }) => [
      u32(key),
      data !== undefined && 'verdict' in data ? data.verdict.chain : undefined,
    ]),
  );
  const lasting = new Map(of('sticky-endpoints').map((each) => [u32(each.key), dataOf(each)]));
  const slotsOf = new Map<number, string[]>();
  for (const set of ['endpoints', 'sticky-slots']) {
    for (const each of of(set)) {
      const pool = u32(each.key) >>> 12;
      const value = set === 'endpoints' ? dataOf(each) : lasting.get(u32(dataOf(each)));
      const slots = slotsOf.get(pool) ?? [];
      slots[u32(each.key, 4)] = value?.toHex() ?? 'nothing';
      slotsOf.set(pool, slots);
    }
  }
  const used = new Set<number>();
  const lines: string[] = [];
  for (const [set, elements] of table.elements) {
    if (['pick-chains', 'endpoints', 'sticky-slots', 'sticky-endpoints'].includes(set)) continue;
    for (const each of elements) {
      const key = `${each.key.toHex()}${each.keyEnd === undefined ? '' : `-${each.keyEnd.toHex()}`}`;
      if (each.data === undefined) {
        lines.push(`${set} ${key}`);
        continue;
      }
      const target = u32(dataOf(each));
      used.add(target >>> 12);
      // Slots have no gaps, or a connection in so many finds none.
      const slots = Array.from(slotsOf.get(target >>> 12) ?? [], (slot) => slot ?? 'a gap');
      lines.push(`${set} ${key} ${chainOf.get(target & 0xfff)} ${slots.sort().join(' ')}`);
    }
  }
  for (const pool of slotsOf.keys()) if (!used.has(pool)) lines.push(`pool ${pool} of nobody`);
  for (const chain of chainOf.values()) lines.push(`class ${chain}`);
  for (const set of table.sets.keys()) lines.push(`set ${set}`);
  for (const [chain, rules] of table.rules) {
    lines.push(`chain ${chain} ${rules.map(({ comment }) => comment).join(', ')}`);
  }
  return lines.sort();
}

describe('any sequence of changes', () => {
  it('comes to what all at once comes to, in the model and in the kernel', {
    timeout: 60_000,
  }, () => {
    let runs = 0;
    const result = fc.check(
      fc.property(changeSequences, (batches) => {
        empty(stepwise);
        using proxy = new Stepwise();
        for (const changes of batches) {
          proxy.apply(changes);
          const { store } = proxy;
          const anew = new RouteTable(settingsIn(store, OPTIONS));
          anew.update(store, [...store.services.keys()]);
          expect(new Map(proxy.table.routes())).toEqual(new Map(anew.routes()));
          empty(whole);
          using backend = NftablesBackend.open(whole, { own: false });
          sync(backend, anew, store);
          for (const family of [4, 6] as const) {
            expect(contentsOf(stepwise, family)).toEqual(contentsOf(whole, family));
          }
        }
        runs += 1;
      }),
      { numRuns: RUNS_MAX, interruptAfterTimeLimit: TIME_LIMIT_MS, endOnFailure: false },
    );
    if (result.failed && result.counterexample !== null) {
      const { seed, counterexamplePath, counterexample, errorInstance } = result;
      const where = `seed ${seed}, path "${counterexamplePath}": ${JSON.stringify(counterexample)}`;
      throw new Error(where, { cause: errorInstance });
    }
    expect(runs).toBeGreaterThanOrEqual(RUNS_MIN);
    process.stdout.write(`${runs} random sequences of changes, seed ${result.seed}\n`);
  });
});
