import type { Batch } from '../../netlink/nftables/batch.ts';
import type { Element } from '../../netlink/nftables/connection.ts';
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
  const stale = actual !== undefined && !actual.fits;
  if (stale) batch.tableDel(family, TABLE);
  const before = stale ? undefined : actual;
  if (before === undefined) batch.tableAdd(family, TABLE, TABLE_COMMENT);

  for (const set of plan.sets) {
    if (before?.setNames.has(set.name) !== true) batch.setAdd(family, TABLE, set);
  }
  const outdated = [...plan.chains.values()].filter(
    (chain) => before?.chains.get(chain.name)?.current !== true,
  );
  for (const chain of outdated) {
    if (before?.chains.has(chain.name) === true) batch.chainFlush(family, TABLE, chain.name);
    else batch.chainAdd(family, TABLE, chain.name, chain.comment, chain.hook);
  }
  for (const chain of outdated) {
    for (const rule of chain.rules) {
      batch.ruleAdd(family, TABLE, chain.name, rule.expressions, rule.comment);
    }
  }
  for (const [set, wanted] of plan.elements) {
    addElementDifference(batch, family, set, wanted, before?.elements.get(set) ?? new Map());
  }
  const gone = [...(before?.chains.keys() ?? [])].filter((name) => !plan.chains.has(name));
  for (const name of gone) batch.chainFlush(family, TABLE, name);
  for (const name of gone) batch.chainDel(family, TABLE, name);
}

/** An element with other data is deleted and added; in one transaction nobody sees it gone. */
function addElementDifference(
  batch: Batch,
  family: 4 | 6,
  set: string,
  wanted: ReadonlyMap<string, PlannedElement>,
  actual: ReadonlyMap<string, string>,
): void {
  const removed: Uint8Array[] = [];
  const added: Element[] = [];
  for (const [key, identity] of actual) {
    if (wanted.get(key)?.identity !== identity) removed.push(Uint8Array.fromHex(key));
  }
  for (const [key, element] of wanted) {
    if (actual.get(key) !== element.identity) added.push(element);
  }
  if (removed.length > 0) batch.elementsDel(family, TABLE, set, removed);
  if (added.length > 0) batch.elementsAdd(family, TABLE, set, added);
}
