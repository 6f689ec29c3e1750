import type { Chain } from '../../netlink/nftables/chain.ts';
import type { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import {
  chainList,
  elementList,
  ruleList,
  setList,
  tableList,
} from '../../netlink/nftables/list.ts';
import { TABLE } from './layout.ts';
import { hex, identityOf, type TablePlan } from './plan.ts';

/** What the kernel has in podwire's table of one family, in the terms of a plan. */
export interface ActualTable {
  /** Set to false when the table must be made anew: a set or base chain is of another shape. */
  readonly fits: boolean;
  readonly setNames: ReadonlySet<string>;
  /** Chains by name, and whether their rules are those of the plan they were read for. */
  readonly chains: ReadonlyMap<string, { readonly current: boolean }>;
  /** By the name of the set: the identity of each element's data by its key. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Reads the table and holds it against `plan`. Undefined when there is no table. */
export function readTable(
  connection: NftablesConnection,
  family: 4 | 6,
  plan: TablePlan,
): ActualTable | undefined {
  const table = TABLE[family];
  const tables = tableList(connection, table.family);
  if (!tables.some(({ name }) => name === table.name)) return undefined;
  const sets = setList(connection, table);
  const chains = chainList(connection, table);
  const rules = Map.groupBy(ruleList(connection, table), (rule) => rule.chain);
  const setsFit = sets.every((set) => {
    const spec = plan.sets.find((each) => each.name === set.name);
    return (
      spec !== undefined &&
      spec.key.id === set.key.id &&
      spec.key.lengthBytes === set.key.lengthBytes &&
      spec.data?.id === set.data?.id
    );
  });
  return {
    fits: setsFit && chains.every((chain) => hookFits(chain, plan)),
    setNames: new Set(sets.map((set) => set.name)),
    chains: new Map(
      chains.map(({ name }) => {
        const wanted = plan.chains.get(name)?.rules.map((rule) => rule.expressions);
        const actual = rules.get(name)?.map((rule) => rule.expressions);
        return [name, { current: sameRules(wanted ?? [], actual ?? []) }];
      }),
    ),
    elements: new Map(
      sets.map((set) => [
        set.name,
        new Map(
          elementList(connection, table, set).map(({ key, data }) => [hex(key), identityOf(data)]),
        ),
      ]),
    ),
  };
}

/** The table as it is once `plan` is applied, without asking the kernel. */
export function actualOf(plan: TablePlan): ActualTable {
  return {
    fits: true,
    setNames: new Set(plan.sets.map((set) => set.name)),
    chains: new Map([...plan.chains.keys()].map((name) => [name, { current: true }])),
    elements: new Map(
      [...plan.elements].map(([set, elements]) => [
        set,
        new Map([...elements].map(([key, { identity }]) => [key, identity])),
      ]),
    ),
  };
}

/** A chain's hook can't be changed once it is there. */
function hookFits(chain: Chain, plan: TablePlan): boolean {
  const spec = plan.chains.get(chain.name);
  if (spec === undefined) return chain.hook === undefined;
  const { hook } = spec;
  if (hook === undefined || chain.hook === undefined) return hook === chain.hook;
  return (
    hook.type === chain.hook.type &&
    hook.hook === chain.hook.hook &&
    hook.priority === chain.hook.priority
  );
}

function sameRules(
  wanted: readonly (readonly Expression[])[],
  actual: readonly (readonly Expression[])[],
): boolean {
  return (
    wanted.length === actual.length &&
    wanted.every((rule, index) => {
      const other = actual[index] ?? [];
      return rule.length === other.length && rule.every((step, at) => includes(other[at], step));
    })
  );
}

/** Whether `actual` has all that `wanted` says; the kernel adds fields with their defaults. */
function includes(actual: unknown, wanted: unknown): boolean {
  if (wanted instanceof Uint8Array) {
    return actual instanceof Uint8Array && hex(actual) === hex(wanted);
  }
  if (typeof wanted !== 'object' || wanted === null) return actual === wanted;
  if (typeof actual !== 'object' || actual === null) return false;
  const fields = actual as Record<string, unknown>;
  return Object.entries(wanted).every(([key, value]) => includes(fields[key], value));
}
