import { NETLINK_NETFILTER } from '../../netlink/netfilter.ts';
import { decodeEvent, NFNLGRP_NFTABLES } from '../../netlink/nftables/event.ts';
import { messageType } from '../../netlink/nftables/message-type.ts';
import { Subscription } from '../../netlink/subscription.ts';
import type { Netns } from '../../sys/netns.ts';
import { TABLE } from './names.ts';

const NEWGEN = messageType('NEWGEN');

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
  let touched = false;
  return Subscription.open({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    netns,
    onMessage: (message) => {
      // One table is enough to know of; decoding all elements of a large change is not cheap.
      if (touched && message.type !== NEWGEN) return;
      const event = decodeEvent(message);
      if (event === undefined) return;
      // The kernel tells of all changes of a transaction, then of who made it.
      if (event.kind !== 'generation') {
        touched ||= names.includes(event.table.name);
        return;
      }
      const { id, processId } = event.generation;
      if (touched && processId !== process.pid) events.onDrift();
      else events.onGeneration(id);
      touched = false;
    },
    onLost: () => events.onDrift(),
  });
}
