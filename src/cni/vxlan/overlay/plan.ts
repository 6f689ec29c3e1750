import type { Addr } from '../../../ipaddr/addr.ts';
import type { Mac } from '../../../ipaddr/mac.ts';
import { Prefix } from '../../../ipaddr/prefix.ts';
import { vtepMac } from './mac.ts';
import type { Peer } from './peer.ts';

/** What a VXLAN packet has around the inner IP packet: Ethernet 14, VXLAN 8, UDP 8, and the outer IP. */
const OVERHEAD_OCTETS = { 4: 14 + 8 + 8 + 20, 6: 14 + 8 + 8 + 40 } as const;

/** The marks by which a device is known to be ours. */
export interface DeviceOwner {
  /** IFLA_GROUP: it is there from the moment the device is. */
  readonly group: number;
  /** IFLA_IFALIAS: it is certain, and comes a moment later; undefined where there is no room. */
  readonly alias: string | undefined;
}

/** This node, as the overlay sees it. */
export interface OverlayNode {
  /** The device's, by default `vxlan.` and the id. */
  readonly name?: string | undefined;
  /** The network's number (VNI). */
  readonly id: number;
  /** UDP port of the tunnels. */
  readonly port: number;
  /** This node's address on the underlay. */
  readonly local: Addr;
  /** Index of the link packets leave by. */
  readonly underlayIndex: number;
  /** In octets, as is `mtu`. */
  readonly underlayMtu: number;
  /** By default the largest the underlay carries. */
  readonly mtu?: number | undefined;
  /** The subnets of this node's pods; none where nobody says them, which is enough to `pruneOverlay`. */
  readonly subnets: readonly Prefix[];
  readonly owner: DeviceOwner;
}

/** The VXLAN device. */
export interface Device {
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly owner: DeviceOwner;
  readonly id: number;
  readonly port: number;
  readonly local: Addr;
  readonly underlayIndex: number;
  /** The families of the addresses it carries. */
  readonly families: ReadonlySet<4 | 6>;
}

/** What leads to the pods of other nodes. */
export interface Entries {
  /** Of the device: the node's own packets come from there, so that answers find back. */
  readonly addresses: readonly Prefix[];
  readonly neighs: readonly { readonly dst: Addr; readonly mac: Mac }[];
  readonly fdb: readonly { readonly mac: Mac; readonly endpoint: Addr }[];
  readonly routes: readonly { readonly dst: Prefix; readonly gateway: Addr }[];
}

/** The desired state of a node. */
export interface Overlay {
  readonly device: Device;
  readonly entries: Entries;
}

/** The largest packet the overlay carries over an underlay, in octets. */
export function overlayMtu({ local, underlayMtu }: OverlayNode): number {
  return underlayMtu - OVERHEAD_OCTETS[local.family];
}

/** Those of a list of all nodes that are not this one. */
export function othersThan(local: Addr, nodes: readonly Peer[]): Peer[] {
  return nodes.filter(({ endpoint }) => !endpoint.equals(local));
}

/** The subnets of this node, where a list of all nodes has them. */
export function subnetsOf(local: Addr, nodes: readonly Peer[]): Prefix[] {
  return nodes.filter(({ endpoint }) => endpoint.equals(local)).map(({ subnet }) => subnet);
}

/**
 * The overlay of a node: its device, and for each peer a route to its subnet by way of the subnet's
 * first address, the MAC address of that, and the endpoint behind the MAC address, as flannel has
 * it. `nodes` may hold this node itself, whose MAC address then is the one the others read there.
 * Subnets of a family this node has none of are left out: nothing could be sent there.
 */
export function planOverlay(node: OverlayNode, nodes: readonly Peer[]): Overlay {
  const { id, name = `vxlan.${id}`, port, local, underlayIndex, subnets, owner } = node;
  const known = subnets.length > 0 ? subnets : nodes.map(({ subnet }) => subnet);
  const families = new Set(known.map(({ addr }) => addr.family));
  const self = nodes.find(({ endpoint, mac }) => mac !== undefined && endpoint.equals(local));
  const peers = othersThan(local, nodes)
    .filter(({ subnet }) => families.has(subnet.addr.family))
    .map(({ subnet, endpoint, mac = vtepMac(id, endpoint) }) => ({ subnet, endpoint, mac }));
  const ends = new Map(peers.map(({ endpoint, mac }) => [mac.key, { endpoint, mac }]));
  return {
    device: {
      name,
      mac: self?.mac ?? vtepMac(id, local),
      mtu: node.mtu ?? overlayMtu(node),
      owner,
      id,
      port,
      local,
      underlayIndex,
      families,
    },
    entries: {
      addresses: subnets.map((subnet) => Prefix.of(subnet.first(), subnet.addr.bits)),
      neighs: peers.map(({ subnet, mac }) => ({ dst: subnet.first(), mac })),
      fdb: [...ends.values()],
      routes: peers.map(({ subnet }) => ({ dst: subnet, gateway: subnet.first() })),
    },
  };
}
