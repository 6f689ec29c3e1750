import type { Addr } from '../../ipaddr/addr.ts';
import { Mac } from '../../ipaddr/mac.ts';
import { EEXIST, ENODEV, ENOENT } from '../../sys/errno.ts';
import { DecodeError } from '../attribute.ts';
import { bitsWhereTrue, flagsOf } from '../flags.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../message.ts';
import { happens } from '../outcome.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import {
  NEIGH_EXT_FLAGS,
  NEIGH_FLAGS,
  NEIGH_STATES,
  neighPayload,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from './neigh-table.ts';

/** Entries of the forwarding database have this family of their own (linux/socket.h). */
export const AF_BRIDGE = 7;

/**
 * As bridge(8) has it. `permanent`: the address is the link's own, or for a VXLAN's far end just
 * there to stay. `static`: nobody learns it anew. `dynamic`: it is forgotten when nobody uses it, and
 * is `stale` before.
 */
export type FdbState = 'permanent' | 'static' | 'dynamic' | 'stale';

const { permanent, noarp, reachable, stale } = NEIGH_STATES;

/** What is sent for a state: a bridge looks at NUD_NOARP, a VXLAN insists on one of the others. */
const STATE_BITS: Readonly<Record<FdbState, number>> = {
  permanent: permanent | noarp,
  static: reachable | noarp,
  dynamic: reachable,
  stale,
};

function stateOf(bits: number): FdbState {
  if ((bits & permanent) !== 0) return 'permanent';
  if ((bits & noarp) !== 0) return 'static';
  return (bits & stale) !== 0 ? 'stale' : 'dynamic';
}

/** Where frames to an Ethernet address go: out of a bridge's port, or to the far end of a VXLAN. */
export interface FdbEntry {
  readonly linkIndex: number;
  readonly mac: Mac;
  /** By default `permanent`. */
  readonly state?: FdbState | undefined;
  /** The entry is in the table of the link itself, by default unless `master`. */
  readonly self?: boolean | undefined;
  /** The entry is in the table of the bridge the link is a port of. */
  readonly master?: boolean | undefined;
  readonly vlan?: number | undefined;
  /** VXLAN: the far end, and its UDP port and network where those are not the link's. */
  readonly dst?: Addr | undefined;
  readonly port?: number | undefined;
  readonly vni?: number | undefined;
  /** VXLAN that takes its tunnels from routes: the network the entry is of. */
  readonly srcVni?: number | undefined;
  /** VXLAN: index of the link packets leave by. */
  readonly viaIndex?: number | undefined;
  readonly nexthopId?: number | undefined;
  readonly externLearn?: boolean | undefined;
  /** It stays on its port when the address shows up on another one. */
  readonly sticky?: boolean | undefined;
  readonly router?: boolean | undefined;
  /** Write only: it counts as used now. */
  readonly use?: boolean | undefined;
}

/** An entry as the kernel has it. */
export interface KernelFdbEntry extends FdbEntry {
  readonly state: FdbState;
  /** Index of the bridge whose table it is in. */
  readonly masterIndex: number | undefined;
  readonly offloaded: boolean;
  /** The address is known, but may not send on a locked port. */
  readonly locked: boolean;
}

/** Adds an entry. Gives false when there is one for the address. */
export function fdbAdd(connection: RouteConnection, entry: FdbEntry): boolean {
  return happens(EEXIST, () =>
    send(connection, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, 'add', entry),
  );
}

/**
 * Adds one more far end to a group's address, or to the zero address, which stands for all that no
 * entry knows, of a VXLAN. Gives false when it is there. Any other address has one far end, and the
 * kernel says yes and does nothing.
 */
export function fdbAppend(connection: RouteConnection, entry: FdbEntry): boolean {
  return happens(EEXIST, () =>
    send(connection, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, 'append', entry),
  );
}

/** Adds an entry or takes the place of the one for the address. */
export function fdbReplace(connection: RouteConnection, entry: FdbEntry): void {
  send(connection, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 'replace', entry);
}

/** Removes an entry. Gives false when there is none. */
export function fdbDel(connection: RouteConnection, entry: FdbEntry): boolean {
  return happens(ENOENT, () => send(connection, RTM_DELNEIGH, 0, 'delete', entry));
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  entry: FdbEntry,
): void {
  const { linkIndex, mac, state = 'permanent', master } = entry;
  const header = {
    family: AF_BRIDGE,
    ifindex: linkIndex,
    state: STATE_BITS[state],
    flags: bitsWhereTrue(NEIGH_FLAGS, { ...entry, self: entry.self ?? master !== true }),
  };
  const attributes = {
    lladdr: mac.toBytes(),
    dst: entry.dst,
    vlan: entry.vlan,
    port: entry.port,
    vni: entry.vni,
    srcVni: entry.srcVni,
    ifindex: entry.viaIndex,
    nexthopId: entry.nexthopId,
  };
  connection.netlink.execute({
    operation: `${verb} FDB entry ${mac} of link ${linkIndex}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, neighPayload, header, attributes),
  });
}

/** Which entries `fdbList` gives. */
export interface FdbFilter {
  readonly linkIndex?: number | undefined;
  /** Index of a bridge: only entries of it and its ports. */
  readonly bridge?: number | undefined;
}

/** The forwarding database of all bridges, VXLANs and links with addresses of their own. */
export function fdbList(connection: RouteConnection, filter: FdbFilter = {}): KernelFdbEntry[] {
  const { linkIndex, bridge } = filter;
  const request = {
    operation: 'list FDB entries',
    type: RTM_GETNEIGH,
    write: (writer: Writer) =>
      encodePayload(
        writer,
        neighPayload,
        { family: AF_BRIDGE },
        { ifindex: linkIndex, master: bridge },
      ),
  };
  let entries: KernelFdbEntry[] = [];
  // A link that is gone has no entries.
  happens(ENODEV, () => {
    entries = connection.netlink.dump(request, decodeFdbEntry);
  });
  return entries.filter((entry) => linkIndex === undefined || entry.linkIndex === linkIndex);
}

/** The entry of an RTM_NEWNEIGH or RTM_DELNEIGH of AF_BRIDGE. Throws DecodeError. */
export function decodeFdbEntry(message: Message): KernelFdbEntry {
  const { header, attributes } = decodePayload(neighPayload, message.payload);
  const { lladdr } = attributes;
  if (lladdr?.length !== 6) throw new DecodeError('lladdr', 'no MAC of 6 bytes');
  const { self, master, externLearn, sticky, router, offloaded } = flagsOf(
    NEIGH_FLAGS,
    header.flags,
  );
  const { locked } = flagsOf(NEIGH_EXT_FLAGS, attributes.extFlags ?? 0);
  return {
    linkIndex: header.ifindex,
    mac: Mac.fromBytes(lladdr),
    state: stateOf(header.state),
    self,
    // The bridge leaves the flag out and names itself.
    master: master || (!self && attributes.master !== undefined),
    masterIndex: attributes.master,
    vlan: attributes.vlan,
    dst: attributes.dst,
    port: attributes.port,
    vni: attributes.vni,
    srcVni: attributes.srcVni,
    viaIndex: attributes.ifindex,
    nexthopId: attributes.nexthopId,
    externLearn,
    sticky,
    router,
    offloaded,
    locked,
  };
}
