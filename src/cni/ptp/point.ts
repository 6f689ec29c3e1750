import type { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { ResultIp } from '../protocol/result.ts';

/** An address of the pod, and the one that the node answers it by at the other end. */
export interface Point {
  readonly address: Prefix;
  readonly gateway: Addr;
}

/** What IPAM gave, as points. Throws CniError where an address has no gateway to talk to. */
export function pointsOf(ips: readonly ResultIp[]): Point[] {
  if (ips.length === 0) {
    throw new CniError(CNI_CODE.internal, 'IPAM plugin returned missing IP config');
  }
  return ips.map(({ address, gateway }) => {
    if (gateway?.family === address.addr.family && !gateway.equals(address.addr)) {
      return { address, gateway };
    }
    throw new CniError(
      CNI_CODE.internal,
      `IPAM plugin returned no gateway for ${address}`,
      `expected another address of its family, which the node answers by, got ${gateway ?? 'none'}`,
    );
  });
}

/** The prefix of an address alone. */
export function alone(addr: Addr): Prefix {
  return Prefix.of(addr, addr.bits);
}
