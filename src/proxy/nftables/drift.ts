import { watchRuleset } from '../../netlink/nftables/watch.ts';
import type { Netns } from '../../sys/netns.ts';
import { TABLE } from './names.ts';

/** What a watch of the tables tells. */
export interface DriftEvents {
  /** Another process changed one of our tables, or may have. */
  onDrift(): void;
  /** The ruleset is at this generation, by us or by a change that is none of our tables' concern. */
  onGeneration(generation: number): void;
}

/**
 * Tells what other processes change. Elements that packets add to the maps of clients are no event.
 */
export function watchTables(netns: Netns | undefined, events: DriftEvents): Disposable {
  const names: readonly string[] = Object.values(TABLE).map(({ name }) => name);
  return watchRuleset(netns, {
    concerns: ({ table }) => names.includes(table.name),
    onTransaction({ id, processId }, isConcerned) {
      if (isConcerned && processId !== process.pid) events.onDrift();
      else events.onGeneration(id);
    },
    onLost: () => events.onDrift(),
  });
}
