import type { Batch } from '../../netlink/nftables/batch.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import type { TableRef } from '../../netlink/nftables/family.ts';
import type { SetSpec } from '../../netlink/nftables/set.ts';
import type { ActualTable } from './actual.ts';
import { TABLE, TABLE_COMMENT } from './layout.ts';
import type { PlannedElement, TablePlan } from './plan.ts';

/**
 * Adds to `batch` what turns `actual` into `plan`, in an order in which nothing is referred to
 * before it is there or removed while it is referred to.
 */
export function addDifference(
  batch: Batch,
  family: 4 | 6,
  plan: TablePlan,
  actual: ActualTable | undefined,
): void {
  const table = TABLE[family];
  const stale = actual !== undefined && !actual.fits;
  if (stale) batch.tableDel(table);
  const before = stale ? undefined : actual;
  if (before === undefined) batch.tableAdd({ ...table, comment: TABLE_COMMENT });

  for (const set of plan.sets) {
    if (before?.setNames.has(set.name) !== true) batch.setAdd(table, set);
  }
  const outdated = [...plan.chains.values()].filter(
    (chain) => before?.chains.get(chain.name)?.current !== true,
  );
  for (const chain of outdated) {
    if (before?.chains.has(chain.name) === true) batch.chainFlush(table, chain.name);
    else batch.chainAdd(table, chain);
  }
  for (const chain of outdated) {
    for (const rule of chain.rules) {
      batch.ruleAdd(table, chain.name, rule);
    }
  }
  for (const set of plan.sets) {
    const wanted = plan.elements.get(set.name) ?? new Map();
    addElementDifference(batch, table, set, wanted, before?.elements.get(set.name) ?? new Map());
  }
  const gone = [...(before?.chains.keys() ?? [])].filter((name) => !plan.chains.has(name));
  for (const name of gone) batch.chainFlush(table, name);
  for (const name of gone) batch.chainDel(table, name);
}

/** An element with other data is deleted and added; in one transaction nobody sees it gone. */
function addElementDifference(
  batch: Batch,
  table: TableRef,
  set: SetSpec,
  wanted: ReadonlyMap<string, PlannedElement>,
  actual: ReadonlyMap<string, string>,
): void {
  const removed: Element[] = [];
  const added: Element[] = [];
  for (const [key, identity] of actual) {
    if (wanted.get(key)?.identity !== identity) removed.push({ key: Uint8Array.fromHex(key) });
  }
  for (const [key, element] of wanted) {
    if (actual.get(key) !== element.identity) added.push(element);
  }
  if (removed.length > 0) batch.elementsDel(table, set, removed);
  if (added.length > 0) batch.elementsAdd(table, set, added);
}
