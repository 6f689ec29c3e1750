import type { Prefix } from '../../ipaddr/prefix.ts';

/** How the overlay of many nodes is made; the same on all of them. */
export interface OverlaySettings {
  /** The network's number (VNI). */
  readonly id: number;
  /** UDP port of the tunnels. */
  readonly port: number;
  /** What holds the subnets of all nodes' pods; nothing is refused or masqueraded without. */
  readonly network: readonly Prefix[];
  /** Of the overlay, in octets; by default the largest the underlay carries. */
  readonly mtu?: number | undefined;
  /** The underlay's link, by default the one with the node's address. */
  readonly master?: string | undefined;
  /** Nodes on the same wire are reached by plain routes, without a tunnel. */
  readonly directRouting: boolean;
  /** Packets that leave the network leave under the node's address. */
  readonly masquerade: boolean;
  /** The prefix length of a node's subnet, where the node gets one for itself. */
  readonly nodeMaskBits: { readonly [family in 4 | 6]: number };
  /** Where the CNI configuration goes, once pods can be wired. */
  readonly cniConfig?: string | undefined;
  /** Where the facts flannel's CNI plugin reads go. */
  readonly subnetFile?: string | undefined;
}

/** UDP port of Linux and of flannel; IANA's is 4789. */
export const PORT_DEFAULT = 8472;
export const ID_DEFAULT = 1;
