import type { Addr } from '../../../ipaddr/addr.ts';
import type { Mac } from '../../../ipaddr/mac.ts';
import type { Prefix } from '../../../ipaddr/prefix.ts';

/** Another node, for one subnet of its pods; it stands in a list once for each of them. */
export interface Peer {
  /** Its pods' addresses, without host bits. */
  readonly subnet: Prefix;
  /** Its address on the underlay. */
  readonly endpoint: Addr;
  /** The MAC address of its VXLAN device, by default `vtepMac` of the endpoint. */
  readonly mac?: Mac | undefined;
}
