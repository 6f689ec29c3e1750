import type { AttributeTable } from '../../attribute.ts';
import { decodePayload, encodePayload, type Message } from '../../message.ts';
import { struct } from '../../struct.ts';
import type { Writer } from '../../writer.ts';
import type { RouteConnection } from '../connection.ts';
import {
  ifinfomsg,
  RTEXT_FILTER_BRVLAN_COMPRESSED,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_SETLINK,
} from './table.ts';

const AF_BRIDGE = 7; // linux/socket.h
const BRIDGE_FLAGS_MASTER = 1; // linux/if_bridge.h
const BRIDGE_FLAGS_SELF = 2;
const BRIDGE_VLAN_INFO_PVID = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED = 1 << 2;
const BRIDGE_VLAN_INFO_RANGE_BEGIN = 1 << 3;
const BRIDGE_VLAN_INFO_RANGE_END = 1 << 4;

/** IFLA_BRIDGE_*: IFLA_AF_SPEC of a message of the family AF_BRIDGE. */
const bridgeSpec = {
  flags: { id: 0, type: 'u16' },
  vlanInfo: {
    id: 2,
    type: { repeated: { struct: struct('bridge_vlan_info', { flags: 'u16', vid: 'u16' }) } },
  },
} as const satisfies AttributeTable;

const bridgePayload = {
  header: ifinfomsg,
  attributes: {
    extMask: { id: 29, type: 'u32' },
    afSpec: { id: 26, type: { nested: bridgeSpec } },
  },
} as const;

/** VLANs of a bridge's port, or of the bridge itself: those its own interface is in. */
export interface BridgeVlan {
  /** 1 to 4094. */
  readonly vid: number;
  /** The last one of a range; the same as `vid` by default. */
  readonly vidEnd?: number | undefined;
  /** Whether untagged frames that come in belong to it; never of a range. */
  readonly pvid?: boolean | undefined;
  /** Whether its frames go out untagged. */
  readonly untagged?: boolean | undefined;
}

/** VLANs as the kernel has them: nothing is left out. */
export interface KernelBridgeVlan extends BridgeVlan {
  readonly vidEnd: number;
  readonly pvid: boolean;
  readonly untagged: boolean;
}

/** Where VLANs are set: on a port, or with `self` on the bridge itself. */
export interface BridgeVlanPlace {
  readonly linkIndex: number;
  readonly self?: boolean | undefined;
}

/** Adds VLANs, all in one request. One that is there already gets the flags. */
export function bridgeVlanAdd(
  connection: RouteConnection,
  place: BridgeVlanPlace,
  vlans: readonly BridgeVlan[],
): void {
  send(connection, RTM_SETLINK, place, vlans);
}

/** Takes VLANs away. One that is not there is no error. */
export function bridgeVlanDel(
  connection: RouteConnection,
  place: BridgeVlanPlace,
  vlans: readonly BridgeVlan[],
): void {
  send(connection, RTM_DELLINK, place, vlans);
}

function send(
  connection: RouteConnection,
  type: number,
  { linkIndex, self }: BridgeVlanPlace,
  vlans: readonly BridgeVlan[],
): void {
  const verb = type === RTM_SETLINK ? 'add' : 'delete';
  const ids = vlans.map(({ vid, vidEnd }) => (vidEnd === undefined ? vid : `${vid}-${vidEnd}`));
  const attributes = {
    afSpec: {
      flags: self === true ? BRIDGE_FLAGS_SELF : BRIDGE_FLAGS_MASTER,
      vlanInfo: vlans.flatMap(encodeVlan),
    },
  };
  connection.netlink.execute({
    operation: `${verb} bridge VLANs ${ids.join(', ')} of link ${linkIndex}`,
    type,
    write: (writer) =>
      encodePayload(writer, bridgePayload, { family: AF_BRIDGE, index: linkIndex }, attributes),
  });
}

function encodeVlan({ vid, vidEnd, pvid, untagged }: BridgeVlan) {
  const flags =
    (pvid === true ? BRIDGE_VLAN_INFO_PVID : 0) |
    (untagged === true ? BRIDGE_VLAN_INFO_UNTAGGED : 0);
  if (vidEnd === undefined || vidEnd === vid) return [{ flags, vid }];
  return [
    { flags: flags | BRIDGE_VLAN_INFO_RANGE_BEGIN, vid },
    { flags: flags | BRIDGE_VLAN_INFO_RANGE_END, vid: vidEnd },
  ];
}

/** The VLANs of every port and bridge of the namespace, as ranges, by the link's index. */
export function bridgeVlanList(
  connection: RouteConnection,
): Map<number, readonly KernelBridgeVlan[]> {
  const request = {
    operation: 'list bridge VLANs',
    type: RTM_GETLINK,
    write: (writer: Writer) =>
      encodePayload(
        writer,
        bridgePayload,
        { family: AF_BRIDGE },
        { extMask: RTEXT_FILTER_BRVLAN_COMPRESSED },
      ),
  };
  return new Map(connection.netlink.dump(request, decodeVlans));
}

function decodeVlans(message: Message): [number, KernelBridgeVlan[]] {
  const { header, attributes } = decodePayload(bridgePayload, message.payload);
  const vlans: KernelBridgeVlan[] = [];
  let begin: number | undefined;
  for (const { flags = 0, vid = 0 } of attributes.afSpec?.vlanInfo ?? []) {
    if ((flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) !== 0) {
      begin = vid;
      continue;
    }
    vlans.push({
      vid: begin ?? vid,
      vidEnd: vid,
      pvid: (flags & BRIDGE_VLAN_INFO_PVID) !== 0,
      untagged: (flags & BRIDGE_VLAN_INFO_UNTAGGED) !== 0,
    });
    begin = undefined;
  }
  return [header.index, vlans];
}
