import type { Mac } from '../../../ipaddr/mac.ts';
import { encodePayload } from '../../message.ts';
import { Writer } from '../../writer.ts';
import type { Bridge, BridgePort } from './bridge.ts';
import { IFF_ALLMULTI, IFF_MULTICAST, IFF_NOARP, IFF_PROMISC, IFF_UP } from './flags.ts';
import type { Ipvlan } from './ipvlan.ts';
import type { AddrGenMode, LinkAttributes, LinkKinds } from './link.ts';
import type { Macvlan } from './macvlan.ts';
import { linkPayload } from './table.ts';
import type { Vlan } from './vlan.ts';
import type { Vrf } from './vrf.ts';
import { encodeVxlan, type Vxlan } from './vxlan.ts';

/** What any link may be made with, and changed to. What is left out the kernel chooses, or stays. */
export interface LinkSettings {
  readonly mtu?: number | undefined;
  readonly mac?: Mac | undefined;
  readonly txqlen?: number | undefined;
  readonly group?: number | undefined;
  readonly alias?: string | undefined;
  /** Index of the master, 0 for none. */
  readonly master?: number | undefined;
  readonly gsoMaxSize?: number | undefined;
  readonly gsoMaxSegs?: number | undefined;
  readonly groMaxSize?: number | undefined;
  readonly gsoIpv4MaxSize?: number | undefined;
  readonly groIpv4MaxSize?: number | undefined;
  /** The namespace it moves to, as an open descriptor or as that of a process. */
  readonly netnsFd?: number | undefined;
  readonly netnsPid?: number | undefined;
  readonly up?: boolean | undefined;
  readonly promiscuous?: boolean | undefined;
  readonly allMulticast?: boolean | undefined;
  readonly multicast?: boolean | undefined;
  readonly arp?: boolean | undefined;
}

/** A link that is to be made. */
interface NewLink extends LinkSettings {
  readonly name: string;
  /** The index it gets, by default the next one free. */
  readonly index?: number | undefined;
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
}

/** A kind that stands on a link below, which may be in the namespace with the kernel's number. */
interface OnLink {
  readonly linkIndex: number;
  readonly linkNetnsid?: number | undefined;
}

type KindSpec =
  | { readonly kind: 'bridge'; readonly bridge?: Bridge | undefined }
  | { readonly kind: 'dummy' }
  | { readonly kind: 'ifb' }
  | ({ readonly kind: 'ipvlan'; readonly ipvlan?: Ipvlan | undefined } & OnLink)
  | ({ readonly kind: 'macvlan'; readonly macvlan?: Macvlan | undefined } & OnLink)
  | ({ readonly kind: 'macvtap'; readonly macvtap?: Macvlan | undefined } & OnLink)
  /** `peer` is the other end; the kernel cannot bring it up before both are there. */
  | { readonly kind: 'veth'; readonly peer?: Omit<NewLink, 'up'> | undefined }
  | ({ readonly kind: 'vlan'; readonly vlan: Vlan } & OnLink)
  | { readonly kind: 'vrf'; readonly vrf: Vrf }
  | { readonly kind: 'vxlan'; readonly vxlan: Vxlan };

/** What a new link is made with. */
export type LinkSpec = NewLink & KindSpec;

/** What `linkSet` changes; what is left out stays. A kind's own settings go under its name. */
export interface LinkChanges extends LinkSettings, LinkKinds {
  readonly name?: string | undefined;
  /** How it makes its IPv6 link-local address; the kernel refuses it for a link not made yet. */
  readonly addrGenMode?: AddrGenMode | undefined;
  readonly bridgePort?: BridgePort | undefined;
}

/** The header and attributes of the settings. */
export function encodeSettings(settings: LinkSettings) {
  const attributes: LinkAttributes = {
    mtu: settings.mtu,
    address: settings.mac?.toBytes(),
    txqlen: settings.txqlen,
    group: settings.group,
    ifalias: settings.alias,
    master: settings.master,
    gsoMaxSize: settings.gsoMaxSize,
    gsoMaxSegs: settings.gsoMaxSegs,
    groMaxSize: settings.groMaxSize,
    gsoIpv4MaxSize: settings.gsoIpv4MaxSize,
    groIpv4MaxSize: settings.groIpv4MaxSize,
    netNsFd: settings.netnsFd,
    netNsPid: settings.netnsPid,
  };
  const noArp = settings.arp === undefined ? undefined : !settings.arp;
  const switches = [
    [IFF_UP, settings.up],
    [IFF_PROMISC, settings.promiscuous],
    [IFF_ALLMULTI, settings.allMulticast],
    [IFF_MULTICAST, settings.multicast],
    [IFF_NOARP, noArp],
  ] as const;
  let flags = 0;
  let change = 0;
  for (const [flag, on] of switches) {
    if (on === undefined) continue;
    change |= flag;
    if (on) flags |= flag;
  }
  return { header: { flags, change }, attributes };
}

/** The header and attributes of a link that is to be made. */
export function encodeSpec(spec: LinkSpec) {
  const { header, attributes } = encodeNewLink(spec);
  const below = 'linkIndex' in spec ? { link: spec.linkIndex, linkNetnsid: spec.linkNetnsid } : {};
  const data =
    spec.kind === 'veth'
      ? spec.peer && { veth: { peer: encodePeer(spec.peer) } }
      : spec.kind === 'dummy' || spec.kind === 'ifb'
        ? undefined
        : encodeKind(spec.kind, spec);
  return { header, attributes: { ...attributes, ...below, linkinfo: { kind: spec.kind, data } } };
}

function encodeNewLink(link: NewLink) {
  const { header, attributes } = encodeSettings(link);
  return {
    header: { ...header, index: link.index ?? 0 },
    attributes: {
      ...attributes,
      ifname: link.name,
      numTxQueues: link.numTxQueues,
      numRxQueues: link.numRxQueues,
    },
  };
}

function encodePeer(peer: NewLink): Uint8Array {
  const { header, attributes } = encodeNewLink(peer);
  const writer = new Writer();
  encodePayload(writer, linkPayload, header, attributes);
  return writer.bytes();
}

/** IFLA_LINKINFO of a change: settings of the link's kind, or of its place in a bridge. */
export function encodeKindChanges(changes: LinkChanges): LinkAttributes['linkinfo'] {
  const { bridgePort } = changes;
  const kind = KINDS.find((each) => changes[each] !== undefined);
  if (kind === undefined && bridgePort === undefined) return undefined;
  return {
    ...(kind === undefined ? {} : { kind, data: encodeKind(kind, changes) }),
    ...(bridgePort === undefined ? {} : { slaveKind: 'bridge', slaveData: { bridge: bridgePort } }),
  };
}

const KINDS = ['bridge', 'ipvlan', 'macvlan', 'macvtap', 'vlan', 'vrf', 'vxlan'] as const;

/** IFLA_INFO_DATA of the settings under the kind's name; undefined where there are none. */
function encodeKind(kind: (typeof KINDS)[number], { vxlan, ...kinds }: LinkKinds) {
  if (kind === 'vxlan') return vxlan && { vxlan: encodeVxlan(vxlan) };
  const settings = kinds[kind];
  return settings && { [kind]: settings };
}
