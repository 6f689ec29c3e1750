import { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { EADDRNOTAVAIL, EEXIST } from '../../sys/errno.ts';
import type { AttributeTable } from '../attribute.ts';
import { netlinkErrno } from '../error.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from '../message.ts';
import { struct } from '../struct.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import { addressFamily } from './family.ts';

const RTM_NEWADDR = 20; // linux/rtnetlink.h
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA_F_NODAD = 0x02; // linux/if_addr.h
const IFA_F_TENTATIVE = 0x40;
const IFA_F_DADFAILED = 0x08;

/** IFA_*. */
const addrAttributes = {
  address: { id: 1, type: 'bytes' },
  local: { id: 2, type: 'bytes' },
  label: { id: 3, type: 'string' },
  broadcast: { id: 4, type: 'bytes' },
  flags: { id: 8, type: 'u32' },
} as const satisfies AttributeTable;

const ifaddrmsg = struct('ifaddrmsg', {
  family: 'u8',
  prefixLength: 'u8',
  flags: 'u8',
  scope: 'u8',
  index: 'u32',
});

const addrPayload = { header: ifaddrmsg, attributes: addrAttributes } as const;

/** An address on a link. */
export interface LinkAddr {
  readonly linkIndex: number;
  /** The address with the length of its prefix, host bits kept. */
  readonly prefix: Prefix;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  readonly scope: number;
  /** Not usable until duplicate address detection is through. */
  readonly tentative: boolean;
  /** Duplicate address detection found another holder. */
  readonly dadFailed: boolean;
}

/**
 * Gives the link an address. IPv4 gets the broadcast address of its prefix, as `ip addr add ... brd +`
 * does. `noDad` skips duplicate address detection (IPv6 only). Gives false when it is there already.
 */
export function addrAdd(
  connection: RouteConnection,
  linkIndex: number,
  prefix: Prefix,
  options: { readonly noDad?: boolean } = {},
): boolean {
  const bytes = prefix.addr.toBytes();
  const attributes = {
    address: bytes,
    local: bytes,
    broadcast: prefix.addr.family === 4 && prefix.bits < 31 ? prefix.last().toBytes() : undefined,
    flags: options.noDad === true && prefix.addr.family === 6 ? IFA_F_NODAD : undefined,
  };
  try {
    connection.netlink.execute({
      operation: `add address ${prefix} to link ${linkIndex}`,
      type: RTM_NEWADDR,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      write: (writer) =>
        encodePayload(writer, addrPayload, headerOf(linkIndex, prefix), attributes),
    });
    return true;
  } catch (error) {
    if (netlinkErrno(error) === EEXIST) return false;
    throw error;
  }
}

/** Takes the address from the link. Gives false when it is not there. */
export function addrDel(connection: RouteConnection, linkIndex: number, prefix: Prefix): boolean {
  const bytes = prefix.addr.toBytes();
  const attributes = { address: bytes, local: bytes };
  try {
    connection.netlink.execute({
      operation: `delete address ${prefix} from link ${linkIndex}`,
      type: RTM_DELADDR,
      write: (writer) =>
        encodePayload(writer, addrPayload, headerOf(linkIndex, prefix), attributes),
    });
    return true;
  } catch (error) {
    if (netlinkErrno(error) === EADDRNOTAVAIL) return false;
    throw error;
  }
}

function headerOf(index: number, prefix: Prefix) {
  return { family: addressFamily(prefix.addr.family), prefixLength: prefix.bits, index };
}

/** The addresses of both families, on one link or on all. */
export function addrList(connection: RouteConnection, linkIndex?: number): LinkAddr[] {
  const request = {
    operation: 'list addresses',
    type: RTM_GETADDR,
    write: (writer: Writer) => encodePayload(writer, addrPayload, { index: linkIndex ?? 0 }, {}),
  };
  return connection.netlink
    .dump(request, decodeAddr)
    .filter((addr) => linkIndex === undefined || addr.linkIndex === linkIndex);
}

function decodeAddr(message: Message): LinkAddr {
  const { header, attributes } = decodePayload(addrPayload, message.payload);
  // On a point-to-point link `address` is the peer's, and `local` is absent for IPv6.
  const bytes = attributes.local ?? attributes.address ?? new Uint8Array(4);
  const flags = attributes.flags ?? header.flags;
  return {
    linkIndex: header.index,
    prefix: Prefix.of(Addr.fromBytes(bytes), header.prefixLength),
    scope: header.scope,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
  };
}
