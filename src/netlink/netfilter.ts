import { struct } from './struct.ts';

/* What the families of nfnetlink have in common (linux/netfilter/nfnetlink.h). */

/** The netlink protocol of all of them (linux/netlink.h). */
export const NETLINK_NETFILTER = 12;

/** struct nfgenmsg, which begins every message. */
export const nfgenmsg = struct('nfgenmsg', { family: 'u8', version: 'u8', resourceId: 'be16' });

/** The protocols packets have, by number (NFPROTO_* in linux/netfilter.h). */
export const NFPROTO_IP = { 4: 2, 6: 10 } as const;
