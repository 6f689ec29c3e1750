import type { Addr } from '../../../ipaddr/addr.ts';
import { Mac } from '../../../ipaddr/mac.ts';
import { sha512 } from '../../../sys/digest.ts';

/** Locally administered, for one receiver (IEEE 802). */
const FIRST_OCTET = 0x02;

/**
 * The MAC address of a node's VXLAN device, which every other node works out just the same. With an
 * IPv4 address it is 02, an octet for the network's id and the address, so that no two nodes of a
 * network share one; with an IPv6 address it is 02 and 40 bits of the hash of both.
 */
export function vtepMac(id: number, endpoint: Addr): Mac {
  const octets =
    endpoint.family === 4
      ? [(id ^ (id >>> 8) ^ (id >>> 16)) & 0xff, ...endpoint.toBytes()]
      : Buffer.from(sha512(`${id} ${endpoint}`).slice(0, 10), 'hex');
  return Mac.fromBytes(Uint8Array.of(FIRST_OCTET, ...octets));
}
