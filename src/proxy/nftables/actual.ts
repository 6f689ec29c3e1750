import type { Chain } from '../../netlink/nftables/chain.ts';
import type { NftablesConnection } from '../../netlink/nftables/connection.ts';
import {
  chainList,
  elementList,
  ruleList,
  setList,
  tableFind,
} from '../../netlink/nftables/list.ts';
import type { RuleSpec } from '../../netlink/nftables/rule.ts';
import type { SetInfo, SetSpec } from '../../netlink/nftables/set.ts';
import type { ChainSpec } from './chains.ts';
import type { SetElements } from './known.ts';
import { type IpFamily, TABLE } from './names.ts';
import { affinitySpec, setSpecs } from './sets.ts';

/** What the kernel has in podwire's table of one family. */
export interface ActualTable {
  /** False when it can only be made anew: a set is of another shape, or something is not ours. */
  readonly fits: boolean;
  /** Whether another process that ended has left it behind for the next one to own. */
  readonly isOrphan: boolean;
  readonly isOwned: boolean;
  readonly sets: ReadonlyMap<string, SetInfo>;
  readonly chains: ReadonlyMap<string, Chain>;
  readonly rules: ReadonlyMap<string, readonly RuleSpec[]>;
  /** Of all sets but those that packets fill. */
  readonly elements: SetElements;
}

/** Reads the table; undefined when there is none. */
export function readTable(
  connection: NftablesConnection,
  family: IpFamily,
): ActualTable | undefined {
  const ref = TABLE[family];
  const table = tableFind(connection, ref);
  if (table === undefined) return undefined;
  const sets = setList(connection, ref);
  const wanted = new Map(setSpecs(family).map((spec) => [spec.name, spec]));
  const fits = sets.every((set) => {
    const seconds = /^affinity-(\d{1,9})$/.exec(set.name)?.[1];
    const spec =
      seconds === undefined ? wanted.get(set.name) : affinitySpec(family, Number(seconds));
    return spec !== undefined && sameShape(set, spec);
  });
  return {
    fits,
    isOrphan: table.owner === undefined && table.flags?.includes('persist') === true,
    isOwned: table.owner !== undefined,
    sets: new Map(sets.map((set) => [set.name, set])),
    chains: new Map(chainList(connection, ref).map((chain) => [chain.name, chain])),
    rules: Map.groupBy(ruleList(connection, ref), (rule) => rule.chain),
    elements: new Map(
      !fits
        ? []
        : sets
            .filter(({ name }) => wanted.has(name))
            .map((set) => [set.name, elementList(connection, ref, set)]),
    ),
  };
}

function sameShape(set: SetInfo, spec: SetSpec): boolean {
  return (
    set.key.id === spec.key.id &&
    set.key.lengthBytes === spec.key.lengthBytes &&
    set.data?.id === spec.data?.id &&
    set.timeoutMs === spec.timeoutMs &&
    `${set.flags?.toSorted() ?? ''}` === `${spec.flags?.toSorted() ?? ''}`
  );
}

/** Whether a chain of the kernel can stay: its hook can't be changed once it is there. */
export function hookFits(chain: Chain, spec: ChainSpec): boolean {
  const { hook } = spec;
  if (hook === undefined || chain.hook === undefined) return hook === chain.hook;
  return (
    hook.type === chain.hook.type &&
    hook.hook === chain.hook.hook &&
    hook.priority === chain.hook.priority &&
    (hook.policy ?? 'accept') === (chain.hook.policy ?? 'accept')
  );
}

/** Whether a chain has the rules it shall have, comments included. */
export function sameRules(wanted: readonly RuleSpec[], actual: readonly RuleSpec[]): boolean {
  return (
    wanted.length === actual.length &&
    wanted.every((rule, index) => {
      const other = actual[index];
      return (
        other !== undefined &&
        rule.comment === other.comment &&
        rule.expressions.length === other.expressions.length &&
        rule.expressions.every((step, at) => includes(other.expressions[at], step))
      );
    })
  );
}

/** Whether `actual` has all that `wanted` says; the kernel adds fields with their defaults. */
function includes(actual: unknown, wanted: unknown): boolean {
  if (wanted instanceof Uint8Array) {
    return actual instanceof Uint8Array && Buffer.compare(actual, wanted) === 0;
  }
  if (typeof wanted !== 'object' || wanted === null) return actual === wanted;
  if (typeof actual !== 'object' || actual === null) return false;
  const fields = actual as Record<string, unknown>;
  return Object.entries(wanted).every(([key, value]) => includes(fields[key], value));
}
