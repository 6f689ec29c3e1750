import { Mac } from '../../ipaddr/mac.ts';
import { ENODEV } from '../../sys/errno.ts';
import type { Attributes } from '../attribute.ts';
import { netlinkErrno } from '../error.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from '../message.ts';
import { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import {
  type linkAttributes,
  linkPayload,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from './link-table.ts';

const IFF_UP = 0x1; // linux/if.h
const IFF_PROMISC = 0x100;

/** What a bridge does with one of its ports. */
export interface BridgePort {
  /** BR_STATE_*: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  readonly state: number;
  /** Whether a frame may leave by the port it came in. */
  readonly hairpin: boolean;
  /** Whether the port talks to ports that are not isolated only. */
  readonly isolated: boolean;
}

/** A network interface as the kernel describes it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** The kind of a virtual link, such as `bridge`; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  readonly mac: Mac | undefined;
  readonly mtu: number;
  readonly up: boolean;
  readonly promiscuous: boolean;
  /** Index of the bridge or other link this one belongs to. */
  readonly master: number | undefined;
  /** Index of the link below or of the veth's other end, in the namespace `linkNetnsid`. */
  readonly linkIndex: number | undefined;
  /** The kernel's number for the namespace `linkIndex` counts in; undefined: this one. */
  readonly linkNetnsid: number | undefined;
  /** Set when the master is a bridge. */
  readonly bridgePort: BridgePort | undefined;
}

/** What a new link is made with. */
export interface LinkSpec {
  readonly name: string;
  readonly mtu?: number | undefined;
  readonly mac?: Mac | undefined;
  readonly kind: 'bridge' | 'veth';
  /** For `veth`: the other end, in the namespace of descriptor `netnsFd` where one is given. */
  readonly peer?: {
    readonly name: string;
    readonly mtu?: number | undefined;
    readonly mac?: Mac | undefined;
    readonly netnsFd?: number | undefined;
  };
}

/** What `linkSet` changes; what is left out stays. */
export interface LinkChanges {
  readonly name?: string | undefined;
  readonly up?: boolean;
  readonly promiscuous?: boolean;
  readonly mtu?: number | undefined;
  readonly mac?: Mac | undefined;
  /** Index of the new master, 0 for none. */
  readonly master?: number;
  readonly bridgePort?: Partial<Pick<BridgePort, 'hairpin' | 'isolated'>>;
}

/** Makes a link. Throws NetlinkError, with errno EEXIST when the name is taken. */
export function linkAdd(connection: RouteConnection, spec: LinkSpec): void {
  const data =
    spec.kind === 'veth' && spec.peer !== undefined
      ? { veth: { peer: encodePeer(spec.peer) } }
      : undefined;
  const attributes = {
    ifname: spec.name,
    mtu: spec.mtu,
    address: spec.mac?.toBytes(),
    linkinfo: { kind: spec.kind, data },
  };
  connection.netlink.execute({
    operation: `add link ${spec.name} of kind ${spec.kind}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    write: (writer) => encodePayload(writer, linkPayload, {}, attributes),
  });
}

function encodePeer(peer: NonNullable<LinkSpec['peer']>): Uint8Array {
  const writer = new Writer();
  const attributes = {
    ifname: peer.name,
    mtu: peer.mtu,
    address: peer.mac?.toBytes(),
    netNsFd: peer.netnsFd,
  };
  encodePayload(writer, linkPayload, {}, attributes);
  return writer.bytes();
}

/** Changes the link `index` in one request: either all of it happens or none. */
export function linkSet(connection: RouteConnection, index: number, changes: LinkChanges): void {
  const port = changes.bridgePort;
  const attributes = {
    ifname: changes.name,
    mtu: changes.mtu,
    address: changes.mac?.toBytes(),
    master: changes.master,
    linkinfo:
      port === undefined
        ? undefined
        : {
            slaveKind: 'bridge',
            slaveData: {
              bridge: { hairpin: bit(port.hairpin), isolated: bit(port.isolated) },
            },
          },
  };
  const header = {
    index,
    flags: (changes.up === true ? IFF_UP : 0) | (changes.promiscuous === true ? IFF_PROMISC : 0),
    change:
      (changes.up === undefined ? 0 : IFF_UP) |
      (changes.promiscuous === undefined ? 0 : IFF_PROMISC),
  };
  connection.netlink.execute({
    operation: `set link ${index}`,
    type: RTM_NEWLINK,
    write: (writer) => encodePayload(writer, linkPayload, header, attributes),
  });
}

function bit(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** Removes the link `index`, and a veth's other end with it. Gives false when there is none. */
export function linkDel(connection: RouteConnection, index: number): boolean {
  try {
    connection.netlink.execute({
      operation: `delete link ${index}`,
      type: RTM_DELLINK,
      write: (writer) => encodePayload(writer, linkPayload, { index }, {}),
    });
    return true;
  } catch (error) {
    if (netlinkErrno(error) === ENODEV) return false;
    throw error;
  }
}

/** The link called `name`, or undefined. */
export function linkByName(connection: RouteConnection, name: string): Link | undefined {
  return linkGet(connection, `get link ${name}`, 0, { ifname: name });
}

/** The link with the index, or undefined. */
export function linkByIndex(connection: RouteConnection, index: number): Link | undefined {
  return linkGet(connection, `get link ${index}`, index, {});
}

function linkGet(
  connection: RouteConnection,
  operation: string,
  index: number,
  attributes: Attributes<typeof linkAttributes>,
): Link | undefined {
  let link: Link | undefined;
  try {
    connection.netlink.execute(
      {
        operation,
        type: RTM_GETLINK,
        write: (writer) => encodePayload(writer, linkPayload, { index }, attributes),
      },
      (message) => {
        link = decodeLink(message);
      },
    );
  } catch (error) {
    if (netlinkErrno(error) === ENODEV) return undefined;
    throw error;
  }
  return link;
}

/** Every link of the namespace, by index. */
export function linkList(connection: RouteConnection): Link[] {
  const request = {
    operation: 'list links',
    type: RTM_GETLINK,
    write: (writer: Writer) => encodePayload(writer, linkPayload, {}, {}),
  };
  return connection.netlink.dump(request, decodeLink);
}

function decodeLink(message: Message): Link {
  const { header, attributes } = decodePayload(linkPayload, message.payload);
  const info = attributes.linkinfo;
  const port = info?.slaveData?.bridge;
  const { address } = attributes;
  return {
    index: header.index,
    name: attributes.ifname ?? '',
    kind: info?.kind,
    mac: address?.length === 6 ? Mac.fromBytes(address) : undefined,
    mtu: attributes.mtu ?? 0,
    up: (header.flags & IFF_UP) !== 0,
    promiscuous: (header.flags & IFF_PROMISC) !== 0,
    master: attributes.master,
    linkIndex: attributes.link,
    linkNetnsid: attributes.linkNetnsid,
    bridgePort:
      port === undefined
        ? undefined
        : { state: port.state ?? 0, hairpin: port.hairpin === 1, isolated: port.isolated === 1 },
  };
}
