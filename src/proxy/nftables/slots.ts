import type { EndpointTarget } from '../model/endpoint.ts';

/** An endpoint's identity within its pool. */
export function targetKey({ addr, port }: Pick<EndpointTarget, 'addr' | 'port'>): string {
  return `${addr.key} ${port}`;
}

/**
 * Gives endpoints the slots 0 to N-1 of a pool so that few change: who has a slot keeps it, newcomers
 * take those that became free, and the last ones move into what is free still.
 *
 *     had    a b c d e       wanted  a c e f
 *     slots  a f c e         d's is gone, f took b's, e moved up
 */
export function assignSlots(
  had: readonly EndpointTarget[],
  wanted: readonly EndpointTarget[],
): readonly EndpointTarget[] {
  if (had.length === 0) return wanted;
  const left = new Map(wanted.map((each) => [targetKey(each), each]));
  const slots = had.map((each): EndpointTarget | undefined => {
    const key = targetKey(each);
    const still = left.get(key);
    left.delete(key);
    return still;
  });
  const newcomers = [...left.values()].values();
  for (let slot = 0; slot < slots.length; slot += 1) slots[slot] ??= newcomers.next().value;
  for (const newcomer of newcomers) slots.push(newcomer);
  for (let slot = 0; slot < slots.length; slot += 1) {
    while (slots.length > slot && slots.at(-1) === undefined) slots.pop();
    if (slot < slots.length && slots[slot] === undefined) slots[slot] = slots.pop();
  }
  return slots.filter((each) => each !== undefined);
}
