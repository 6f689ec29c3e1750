import { parsePrefix } from '../../ipaddr/prefix.ts';

/** Multicast stays as it is: pods on one network find each other by it. */
export const MULTICAST = { 4: parsePrefix('224.0.0.0/4'), 6: parsePrefix('ff00::/8') } as const;
