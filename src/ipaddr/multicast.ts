import { parsePrefix } from './prefix.ts';

/** All multicast addresses of each family (RFC 5771, RFC 4291 section 2.7). */
export const MULTICAST = { 4: parsePrefix('224.0.0.0/4'), 6: parsePrefix('ff00::/8') } as const;
