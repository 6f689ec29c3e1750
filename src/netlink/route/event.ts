import type { Message } from '../message.ts';
import { decodeAddr, type LinkAddr } from './addr.ts';
import { RTM_DELADDR, RTM_NEWADDR } from './addr-table.ts';
import { ipVersion } from './family.ts';
import { AF_BRIDGE, decodeFdbEntry, type KernelFdbEntry } from './fdb.ts';
import { decodeLink, type Link } from './link/link.ts';
import { RTM_DELLINK, RTM_NEWLINK } from './link/table.ts';
import { decodeNeigh, type KernelNeigh } from './neigh.ts';
import { RTM_DELNEIGH, RTM_NEWNEIGH } from './neigh-table.ts';
import { decodeRoute, type KernelRoute } from './route/route.ts';
import { RTM_DELROUTE, RTM_NEWROUTE } from './route/table.ts';
import { decodeRule, type KernelRule, RTM_DELRULE, RTM_NEWRULE } from './rule.ts';

/** RTNLGRP_* (linux/rtnetlink.h): the groups to join for the changes of each kind of object. */
export const ROUTE_GROUPS = {
  link: [1],
  neigh: [3],
  addr: [5, 9],
  route: [7, 11],
  rule: [8, 19],
} as const;

/** `new` stands for a change too: the kernel does not tell them apart. */
type Change = { readonly change: 'new' | 'del' };

/** An object of rtnetlink that came, changed or went. */
export type RouteEvent = Change &
  (
    | { readonly object: 'link'; readonly link: Link }
    | { readonly object: 'addr'; readonly addr: LinkAddr }
    | { readonly object: 'route'; readonly route: KernelRoute }
    | { readonly object: 'neigh'; readonly neigh: KernelNeigh }
    | { readonly object: 'fdb'; readonly entry: KernelFdbEntry }
    | { readonly object: 'rule'; readonly rule: KernelRule }
  );

/**
 * What a message of one of ROUTE_GROUPS says, or undefined when it is about something else, such as
 * the state of a bridge's port. Pure. Throws DecodeError.
 */
export function routeEvent(message: Message): RouteEvent | undefined {
  // Every header of rtnetlink starts with the family.
  const family = message.payload[0] ?? 0;
  const isIp = ipVersion(family) !== undefined;
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      // A bridge says of its own family what happens to a port; the link itself is still there.
      if (family !== 0) return undefined;
      const change = message.type === RTM_NEWLINK ? 'new' : 'del';
      return { object: 'link', change, link: decodeLink(message) };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const change = message.type === RTM_NEWADDR ? 'new' : 'del';
      return isIp ? { object: 'addr', change, addr: decodeAddr(message) } : undefined;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const change = message.type === RTM_NEWROUTE ? 'new' : 'del';
      return isIp ? { object: 'route', change, route: decodeRoute(message) } : undefined;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const change = message.type === RTM_NEWNEIGH ? 'new' : 'del';
      if (family === AF_BRIDGE) return { object: 'fdb', change, entry: decodeFdbEntry(message) };
      return isIp ? { object: 'neigh', change, neigh: decodeNeigh(message) } : undefined;
    }
    case RTM_NEWRULE:
    case RTM_DELRULE: {
      const change = message.type === RTM_NEWRULE ? 'new' : 'del';
      return isIp ? { object: 'rule', change, rule: decodeRule(message) } : undefined;
    }
    default:
      return undefined;
  }
}
