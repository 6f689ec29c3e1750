import type { Addr } from '../../ipaddr/addr.ts';
import { Mac } from '../../ipaddr/mac.ts';
import { EEXIST, ENODEV, ENOENT } from '../../sys/errno.ts';
import { DecodeError } from '../attribute.ts';
import { bitsWhereTrue, flagsOf } from '../flags.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../message.ts';
import { happens } from '../outcome.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import { addressFamily } from './family.ts';
import {
  NEIGH_EXT_FLAGS,
  NEIGH_FLAGS,
  NEIGH_STATES,
  neighPayload,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from './neigh-table.ts';

/** One of NUD_*. */
export type NeighState = keyof typeof NEIGH_STATES;

/** A neighbour: which link-layer address an IP address has on a link (ARP, RFC 4861). */
export interface Neigh {
  readonly linkIndex: number;
  readonly dst: Addr;
  /** Undefined while it is looked for, and for proxies. */
  readonly lladdr?: Mac | undefined;
  /** By default `permanent`: the kernel neither asks nor forgets. */
  readonly state?: NeighState | undefined;
  /** The kernel answers for the address on the link: an entry of another table. */
  readonly proxy?: boolean | undefined;
  readonly router?: boolean | undefined;
  /** Somebody else than the kernel learned it; the kernel does not forget it. */
  readonly externLearn?: boolean | undefined;
  /** The kernel keeps it reachable. */
  readonly managed?: boolean | undefined;
  /** Write only: the kernel looks for it at once. */
  readonly use?: boolean | undefined;
  /** Who made it, a number of RTPROT_*. */
  readonly protocol?: number | undefined;
}

/** Adds a neighbour. Gives false when there is an entry for the address. */
export function neighAdd(connection: RouteConnection, neigh: Neigh): boolean {
  return happens(EEXIST, () =>
    send(connection, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, 'add', neigh),
  );
}

/** Adds a neighbour or changes the entry for the address. */
export function neighReplace(connection: RouteConnection, neigh: Neigh): void {
  send(connection, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 'replace', neigh);
}

/** Removes the entry for the address. Gives false when there is none. */
export function neighDel(
  connection: RouteConnection,
  neigh: Pick<Neigh, 'linkIndex' | 'dst' | 'proxy'>,
): boolean {
  return happens(ENOENT, () => send(connection, RTM_DELNEIGH, 0, 'delete', neigh));
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  neigh: Neigh,
): void {
  const { linkIndex, dst, lladdr, state = 'permanent' } = neigh;
  const header = {
    family: addressFamily(dst.family),
    ifindex: linkIndex,
    state: NEIGH_STATES[state],
    flags: bitsWhereTrue(NEIGH_FLAGS, neigh),
  };
  const extFlags = bitsWhereTrue(NEIGH_EXT_FLAGS, neigh);
  const attributes = {
    dst,
    lladdr: lladdr?.toBytes(),
    protocol: neigh.protocol,
    extFlags: extFlags === 0 ? undefined : extFlags,
  };
  connection.netlink.execute({
    operation: `${verb} neighbour ${dst} on link ${linkIndex}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, neighPayload, header, attributes),
  });
}

/** Which neighbours `neighList` gives. */
export interface NeighFilter {
  readonly family?: 4 | 6 | undefined;
  readonly linkIndex?: number | undefined;
  /** Index of a bridge or VRF: only neighbours on its links. */
  readonly master?: number | undefined;
  /** Proxies in place of neighbours. */
  readonly proxy?: boolean | undefined;
}

/** The neighbours of the namespace. The kernel does the filtering. */
export function neighList(connection: RouteConnection, filter: NeighFilter = {}): KernelNeigh[] {
  const { family, linkIndex, master, proxy } = filter;
  const header = {
    family: family === undefined ? 0 : addressFamily(family),
    flags: bitsWhereTrue(NEIGH_FLAGS, { proxy }),
  };
  const request = {
    operation: 'list neighbours',
    type: RTM_GETNEIGH,
    write: (writer: Writer) =>
      encodePayload(writer, neighPayload, header, { ifindex: linkIndex, master }),
  };
  let neighs: KernelNeigh[] = [];
  // A link that is gone has no neighbours.
  happens(ENODEV, () => {
    neighs = connection.netlink.dump(request, decodeNeigh);
  });
  return neighs;
}

/** A neighbour as the kernel has it. */
export interface KernelNeigh extends Neigh {
  readonly state: NeighState;
}

/** The neighbour of an RTM_NEWNEIGH or RTM_DELNEIGH of an IP family. Throws DecodeError. */
export function decodeNeigh(message: Message): KernelNeigh {
  const { header, attributes } = decodePayload(neighPayload, message.payload);
  const { dst, lladdr } = attributes;
  if (dst === undefined) throw new DecodeError('dst', 'missing');
  const { proxy, router, externLearn } = flagsOf(NEIGH_FLAGS, header.flags);
  const { managed } = flagsOf(NEIGH_EXT_FLAGS, attributes.extFlags ?? 0);
  return {
    linkIndex: header.ifindex,
    dst,
    lladdr: lladdr?.length === 6 ? Mac.fromBytes(lladdr) : undefined,
    state: STATE_NAMES.find((name) => NEIGH_STATES[name] === header.state) ?? 'none',
    proxy,
    router,
    externLearn,
    managed,
    protocol: attributes.protocol,
  };
}

const STATE_NAMES = Object.keys(NEIGH_STATES) as NeighState[];
