import type { Batch } from '../../netlink/nftables/batch.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import type { SetSpec } from '../../netlink/nftables/set.ts';
import type { DepartedWay, ServiceRoute } from '../model/route.ts';
import type { NodeRules } from '../node.ts';
import { type ActualTable, hookFits, sameRules } from './actual.ts';
import { type ChainSpec, staticChains } from './chains.ts';
import { departedWays } from './departed.ts';
import { ElementChanges } from './element-changes.ts';
import { FamilyState, type KnownNumbers } from './family-state.ts';
import { knownNumbers } from './known.ts';
import { type IpFamily, TABLE } from './names.ts';
import { affinitySet, type Pick } from './pick.ts';
import { pickChainSpec } from './pick-chains.ts';
import { affinitySpec, setSpecs } from './sets.ts';

/** The flags of our tables; see `probe.ts`. */
export type TableFlags = readonly ('owner' | 'persist')[];

/** What a table shall be, and the one that was kept up so far. */
export interface Adoption {
  readonly node: NodeRules;
  readonly routes: Iterable<readonly [string, ServiceRoute]>;
  readonly flags: TableFlags;
  readonly previous: TableSync | undefined;
}

/**
 * Brings one family's table to what it shall be: once whole, by comparing with what the kernel has,
 * and from then on by what changes. Everything goes into a batch; nothing is sent here.
 */
export class TableSync {
  readonly #family: IpFamily;
  readonly #state: FamilyState;
  readonly #sets: ReadonlyMap<string, SetSpec>;
  /** How many ways of picking use each map of clients. */
  readonly #affinity = new Map<number, number>();
  #node: NodeRules | undefined;
  #isOwned = false;
  #isTakenOver = false;

  constructor(family: IpFamily) {
    this.#family = family;
    this.#state = new FamilyState(family);
    this.#sets = new Map(setSpecs(family).map((set) => [set.name, set]));
  }

  /** Whether the table is this process's alone, once what `adopt` put into the batch is committed. */
  get isOwned(): boolean {
    return this.#isOwned;
  }

  /** Whether `adopt` put a message into the batch that makes a table its own, which writes nothing in it. */
  get isTakenOver(): boolean {
    return this.#isTakenOver;
  }

  /**
   * Puts into `batch` what turns `actual`, which may be nothing, into what shall be. Where the kernel's
   * elements don't tell a pool's numbers, it gets those it had in `previous`. Gives the ways in that go.
   */
  adopt(
    batch: Batch,
    actual: ActualTable | undefined,
    { node, routes, flags, previous }: Adoption,
  ): DepartedWay[] {
    const table = TABLE[this.#family];
    const statics = staticChains(this.#family, node);
    const fits =
      actual?.fits === true &&
      statics.every((spec) => {
        const chain = actual.chains.get(spec.name);
        return chain === undefined || hookFits(chain, spec);
      });
    if (actual !== undefined && !fits) batch.tableDel(table);
    const before = fits ? actual : undefined;
    const spec = { ...table, comment: 'Services, by podwire', flags };
    // A table that was made without the flags keeps on without: the kernel lets nobody own it.
    this.#isTakenOver = flags.length > 0 && before?.isOrphan === true;
    const isAdded = before === undefined || this.#isTakenOver;
    if (isAdded) batch.tableAdd(spec);
    this.#isOwned = flags.length > 0 && (isAdded || before.isOwned);
    for (const set of this.#sets.values()) {
      if (before?.sets.has(set.name) !== true) batch.setAdd(table, set);
    }
    const changes = new ElementChanges(
      before === undefined ? (set, elements) => this.#addElements(batch, set, elements) : undefined,
    );
    const known = this.#known(before, previous);
    for (const [set, elements] of before?.elements ?? []) {
      for (const element of elements) changes.before(set, element);
    }
    const { added } = this.#state.apply(node, routes, changes, known);
    for (const { stickySeconds } of added) this.#countAffinity(stickySeconds, 1);

    const memories = [...this.#affinity.keys()].map((each) => affinitySpec(this.#family, each));
    for (const set of memories) {
      if (before?.sets.has(set.name) !== true) batch.setAdd(table, set);
    }
    const picks = added.map((pick) => pickChainSpec(this.#family, pick));
    this.#putChains(batch, [...picks, ...statics], before);
    const removed = this.#putElements(batch, changes);
    const wanted = new Set([...picks, ...statics].map(({ name }) => name));
    const gone = [...(before?.chains.keys() ?? [])].filter((name) => !wanted.has(name));
    for (const name of gone) batch.chainFlush(table, name);
    for (const name of gone) batch.chainDel(table, name);
    for (const name of before?.sets.keys() ?? []) {
      const isWanted = this.#sets.has(name) || memories.some((set) => set.name === name);
      if (!isWanted) batch.setDel(table, name);
    }
    this.#node = node;
    return departedWays(this.#family, removed, before?.elements ?? new Map());
  }

  /** The numbers that the kernel's elements tell of, or else those there were; undefined for none. */
  #known(
    before: ActualTable | undefined,
    previous: TableSync | undefined,
  ): KnownNumbers | undefined {
    if (before === undefined && previous === undefined) return undefined;
    const last = previous === undefined ? undefined : previous.#state;
    const found = knownNumbers(this.#family, before?.elements ?? new Map());
    this.#state.adopt(found);
    return {
      ...found,
      poolOf: (route, id) => found.poolOf(route, id) ?? last?.knownPool(id),
    };
  }

  #addElements(batch: Batch, name: string, elements: readonly Element[]): void {
    const set = this.#sets.get(name);
    if (set !== undefined) batch.elementsAdd(TABLE[this.#family], set, elements);
  }

  /** Puts into `batch` what a change of routes or of the node makes different. */
  update(
    batch: Batch,
    node: NodeRules,
    routes: Iterable<readonly [string, ServiceRoute | undefined]>,
  ): void {
    const table = TABLE[this.#family];
    const changes = new ElementChanges();
    const { added, removed } = this.#state.apply(node, routes, changes);
    for (const pick of added) this.#addPick(batch, pick);
    if (node !== this.#node) this.#replaceStatics(batch, node);
    this.#putElements(batch, changes);
    for (const pick of removed) {
      const { name } = pickChainSpec(this.#family, pick);
      batch.chainFlush(table, name);
      batch.chainDel(table, name);
      if (this.#countAffinity(pick.stickySeconds, -1)) {
        batch.setDel(table, affinitySet(pick.stickySeconds));
      }
    }
    this.#node = node;
  }

  #addPick(batch: Batch, pick: Pick): void {
    const table = TABLE[this.#family];
    if (this.#countAffinity(pick.stickySeconds, 1)) {
      batch.setAdd(table, affinitySpec(this.#family, pick.stickySeconds));
    }
    const chain = pickChainSpec(this.#family, pick);
    batch.chainAdd(table, chain);
    for (const rule of chain.rules) batch.ruleAdd(table, chain.name, rule);
  }

  /** Counts users of a map of clients; true when that makes or ends it. */
  #countAffinity(seconds: number, change: 1 | -1): boolean {
    if (seconds === 0) return false;
    const before = this.#affinity.get(seconds) ?? 0;
    const after = before + change;
    if (after === 0) this.#affinity.delete(seconds);
    else this.#affinity.set(seconds, after);
    return before === 0 || after === 0;
  }

  /** Writes the rules of the chains that depend on the node again, where they differ. */
  #replaceStatics(batch: Batch, node: NodeRules): void {
    const before = this.#node;
    if (before === undefined) return;
    const old = new Map(staticChains(this.#family, before).map((chain) => [chain.name, chain]));
    for (const chain of staticChains(this.#family, node)) {
      if (sameRules(chain.rules, old.get(chain.name)?.rules ?? [])) continue;
      batch.chainFlush(TABLE[this.#family], chain.name);
      for (const rule of chain.rules) batch.ruleAdd(TABLE[this.#family], chain.name, rule);
    }
  }

  #putChains(batch: Batch, chains: readonly ChainSpec[], before: ActualTable | undefined): void {
    const table = TABLE[this.#family];
    const outdated = chains.filter(
      ({ name, rules }) =>
        before?.chains.has(name) !== true || !sameRules(rules, before.rules.get(name) ?? []),
    );
    for (const chain of outdated) {
      if (before?.chains.has(chain.name) === true) batch.chainFlush(table, chain.name);
      else batch.chainAdd(table, chain);
    }
    for (const chain of outdated) {
      for (const rule of chain.rules) batch.ruleAdd(table, chain.name, rule);
    }
  }

  /** Gives what is removed, by the name of the set. */
  #putElements(batch: Batch, changes: ElementChanges): Map<string, readonly Element[]> {
    const table = TABLE[this.#family];
    const gone = new Map<string, readonly Element[]>();
    for (const [name, { removed, added }] of changes.sets()) {
      const set = this.#sets.get(name);
      if (set === undefined) continue;
      if (removed.length > 0) batch.elementsDel(table, set, removed);
      if (added.length > 0) batch.elementsAdd(table, set, added);
      gone.set(name, removed);
    }
    return gone;
  }
}
