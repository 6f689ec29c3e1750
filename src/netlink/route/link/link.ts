import { Mac } from '../../../ipaddr/mac.ts';
import type { Attributes } from '../../attribute.ts';
import { decodePayload, type Message } from '../../message.ts';
import type { Bridge, BridgePort } from './bridge.ts';
import {
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_UP,
} from './flags.ts';
import type { Ipvlan } from './ipvlan.ts';
import type { Macvlan } from './macvlan.ts';
import { type linkAttributes, linkPayload } from './table.ts';
import type { Tun } from './tun.ts';
import type { Vlan } from './vlan.ts';
import type { Vrf } from './vrf.ts';
import { decodeVxlan, type Vxlan } from './vxlan.ts';

export type LinkAttributes = Attributes<typeof linkAttributes>;

/** What only links of one kind have, under the name of the kind. */
export interface LinkKinds {
  readonly bridge?: Bridge | undefined;
  readonly ipvlan?: Ipvlan | undefined;
  readonly macvlan?: Macvlan | undefined;
  readonly macvtap?: Macvlan | undefined;
  readonly tun?: Tun | undefined;
  readonly vlan?: Vlan | undefined;
  readonly vrf?: Vrf | undefined;
  readonly vxlan?: Vxlan | undefined;
}

/** A network interface as the kernel describes it. Sizes are octets. */
export interface Link extends LinkKinds {
  readonly index: number;
  readonly name: string;
  /** More names it is found by. */
  readonly altNames: readonly string[];
  /** A note by whoever made it, for people and for finding it again. */
  readonly alias: string | undefined;
  /** The kind of a virtual link, such as `bridge`; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** Its Ethernet address; undefined for links without, such as a tun. */
  readonly mac: Mac | undefined;
  readonly broadcast: Mac | undefined;
  readonly mtu: number;
  readonly minMtu: number | undefined;
  readonly maxMtu: number | undefined;
  /** How many packets its queue holds. */
  readonly txqlen: number;
  readonly qdisc: string | undefined;
  /** A number shared by links that are set together. */
  readonly group: number;
  /** Whether it was brought up. */
  readonly up: boolean;
  /** Whether the layer below is up: a cable, a veth's other end. */
  readonly lowerUp: boolean;
  /** How often the layer below came up or went down. */
  readonly carrierChanges: number;
  /** RFC 2863. */
  readonly operstate: LinkAttributes['operstate'];
  readonly loopback: boolean;
  readonly pointToPoint: boolean;
  readonly broadcasts: boolean;
  /** Whether it resolves addresses with ARP. */
  readonly arp: boolean;
  readonly multicast: boolean;
  /** Whether it was told to take every frame; bridges and captures do not show here. */
  readonly promiscuous: boolean;
  /** How many want it to take every frame. */
  readonly promiscuity: number;
  readonly allMulticast: boolean;
  /** How many want it to take every multicast frame. */
  readonly allmulti: number;
  /** Index of the bridge or other link this one belongs to. */
  readonly master: number | undefined;
  /** Index of the link below or of the veth's other end, in the namespace `linkNetnsid`. */
  readonly linkIndex: number | undefined;
  /** The kernel's number for the namespace `linkIndex` counts in; undefined: this one. */
  readonly linkNetnsid: number | undefined;
  readonly numTxQueues: number | undefined;
  readonly numRxQueues: number | undefined;
  readonly gsoMaxSize: number | undefined;
  readonly gsoMaxSegs: number | undefined;
  readonly groMaxSize: number | undefined;
  readonly gsoIpv4MaxSize: number | undefined;
  readonly groIpv4MaxSize: number | undefined;
  readonly tsoMaxSize: number | undefined;
  readonly tsoMaxSegs: number | undefined;
  /** How it makes its IPv6 link-local address; undefined without IPv6. */
  readonly addrGenMode: AddrGenMode | undefined;
  /** Set when the master is a bridge. */
  readonly bridgePort: BridgePort | undefined;
  /** Set when the master is a VRF. */
  readonly vrfPort: Vrf | undefined;
}

/** IN6_ADDR_GEN_MODE_* (linux/if_link.h). */
export type AddrGenMode = 'eui64' | 'none' | 'stable_secret' | 'random' | number;

/** The link of an RTM_NEWLINK or RTM_DELLINK. Throws DecodeError. */
export function decodeLink(message: Message): Link {
  const { header, attributes } = decodePayload(linkPayload, message.payload);
  const { flags } = header;
  const info = attributes.linkinfo;
  return {
    index: header.index,
    name: attributes.ifname ?? '',
    altNames: attributes.propList?.altIfname ?? [],
    alias: attributes.ifalias,
    kind: info?.kind,
    mac: ethernet(attributes.address),
    broadcast: ethernet(attributes.broadcast),
    mtu: attributes.mtu ?? 0,
    minMtu: attributes.minMtu,
    maxMtu: attributes.maxMtu,
    txqlen: attributes.txqlen ?? 0,
    qdisc: attributes.qdisc,
    group: attributes.group ?? 0,
    up: (flags & IFF_UP) !== 0,
    lowerUp: (flags & IFF_LOWER_UP) !== 0,
    carrierChanges: attributes.carrierChanges ?? 0,
    operstate: attributes.operstate,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    pointToPoint: (flags & IFF_POINTOPOINT) !== 0,
    broadcasts: (flags & IFF_BROADCAST) !== 0,
    arp: (flags & IFF_NOARP) === 0,
    multicast: (flags & IFF_MULTICAST) !== 0,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    promiscuity: attributes.promiscuity ?? 0,
    allMulticast: (flags & IFF_ALLMULTI) !== 0,
    allmulti: attributes.allmulti ?? 0,
    master: attributes.master,
    linkIndex: attributes.link,
    linkNetnsid: attributes.linkNetnsid,
    numTxQueues: attributes.numTxQueues,
    numRxQueues: attributes.numRxQueues,
    gsoMaxSize: attributes.gsoMaxSize,
    gsoMaxSegs: attributes.gsoMaxSegs,
    groMaxSize: attributes.groMaxSize,
    gsoIpv4MaxSize: attributes.gsoIpv4MaxSize,
    groIpv4MaxSize: attributes.groIpv4MaxSize,
    tsoMaxSize: attributes.tsoMaxSize,
    tsoMaxSegs: attributes.tsoMaxSegs,
    addrGenMode: attributes.afSpec?.inet6?.addrGenMode,
    bridgePort: info?.slaveData?.bridge,
    vrfPort: info?.slaveData?.vrf,
    ...decodeKind(info),
  };
}

function decodeKind(info: LinkAttributes['linkinfo']): LinkKinds {
  if (info?.data === undefined) return {};
  const { veth: _, vxlan, ...kinds } = info.data;
  return vxlan === undefined ? kinds : { vxlan: decodeVxlan(vxlan) };
}

function ethernet(bytes: Uint8Array | undefined): Mac | undefined {
  return bytes?.length === 6 ? Mac.fromBytes(bytes) : undefined;
}
