import { decodeEvent, NFNLGRP_NFTABLES } from '../../netlink/nftables/event.ts';
import { Subscription } from '../../netlink/subscription.ts';
import type { Netns } from '../../sys/netns.ts';
import { TABLE } from './names.ts';

const NETLINK_NETFILTER = 12; // linux/netlink.h

/**
 * Calls `onDrift` after another process changed one of our tables. Elements that packets add to the
 * maps of clients are no event.
 */
export function watchTables(netns: Netns | undefined, onDrift: () => void): Disposable {
  const names: readonly string[] = Object.values(TABLE).map(({ name }) => name);
  let touched = false;
  return Subscription.open({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    netns,
    onMessage: (message) => {
      const event = decodeEvent(message);
      if (event === undefined) return;
      // The kernel tells of all changes of a transaction, then of who made it.
      if (event.kind !== 'generation') {
        touched ||= names.includes(event.table.name);
        return;
      }
      const foreign = event.generation.processId !== process.pid;
      if (touched && foreign) onDrift();
      touched = false;
    },
    onLost: onDrift,
  });
}
