import type { Netns } from '../../sys/netns.ts';
import { NETLINK_NETFILTER } from '../netfilter.ts';
import { Subscription } from '../subscription.ts';
import { decodeEvent, type Generation, NFNLGRP_NFTABLES, type NftablesEvent } from './event.ts';
import { messageType } from './message-type.ts';

const NEWGEN = messageType('NEWGEN');

/** One object that a transaction changed. */
export type NftablesChange = Exclude<NftablesEvent, { readonly kind: 'generation' }>;

/** What is watched for, and who is told. */
export interface RulesetWatch {
  /** Whether a change is one that is watched for. */
  concerns(change: NftablesChange): boolean;
  /** A transaction was applied, by whomever; whether any of its changes is watched for. */
  onTransaction(generation: Generation, isConcerned: boolean): void;
  /** Transactions were missed. */
  onLost(): void;
}

/** Tells of every transaction on the ruleset of a namespace, without it that of the thread. */
export function watchRuleset(netns: Netns | undefined, watch: RulesetWatch): Disposable {
  let isConcerned = false;
  return Subscription.open({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    netns,
    onMessage: (message) => {
      // One change is enough to know of; decoding all elements of a large transaction is not cheap.
      if (isConcerned && message.type !== NEWGEN) return;
      const event = decodeEvent(message);
      if (event === undefined) return;
      // The kernel tells of all changes of a transaction, then of who made it.
      if (event.kind !== 'generation') {
        isConcerned = watch.concerns(event);
        return;
      }
      const wasConcerned = isConcerned;
      isConcerned = false;
      watch.onTransaction(event.generation, wasConcerned);
    },
    onLost: () => watch.onLost(),
  });
}
