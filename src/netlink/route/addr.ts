import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { EADDRNOTAVAIL, EEXIST, ENODEV } from '../../sys/errno.ts';
import { DecodeError } from '../attribute.ts';
import { bitsWhereTrue, flagsOf } from '../flags.ts';
import { prefixOf } from '../layout.ts';
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
import { ADDR_FLAGS, addrPayload, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from './addr-table.ts';
import type { RouteConnection } from './connection.ts';
import { addressFamily } from './family.ts';

const RT_SCOPE_UNIVERSE = 0; // linux/rtnetlink.h
const RT_SCOPE_HOST = 254;
const INFINITY_LIFE_TIME = 0xffff_ffff; // include/net/addrconf.h

type AddrFlags = { readonly [K in keyof typeof ADDR_FLAGS]: boolean };

/** An address on a link. */
export interface LinkAddr extends AddrFlags {
  readonly linkIndex: number;
  /** The address with the length of its prefix, host bits kept. */
  readonly prefix: Prefix;
  /** The other end of a point-to-point link, which the prefix is then of. */
  readonly peer: Addr | undefined;
  readonly broadcast: Addr | undefined;
  /** The name it has in old programs, of IPv4 addresses: the link's, and more after a colon. */
  readonly label: string | undefined;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  readonly scope: number;
  /** How long it is still there, and preferred; undefined: for ever. */
  readonly validSeconds: number | undefined;
  readonly preferredSeconds: number | undefined;
  /** Metric of the route to its prefix. */
  readonly priority: number | undefined;
  /** IFAPROT_*: who made it; 0 or undefined is unspecified. */
  readonly protocol: number | undefined;
}

/** What an address is made with. */
export interface AddrOptions {
  readonly peer?: Addr | undefined;
  /** By default that of the prefix, as `ip addr add ... brd +` does; IPv4 only. */
  readonly broadcast?: Addr | 'none' | undefined;
  readonly label?: string | undefined;
  /** RT_SCOPE_*; by default global, and host for 127.0.0.0/8. */
  readonly scope?: number | undefined;
  readonly validSeconds?: number | undefined;
  readonly preferredSeconds?: number | undefined;
  readonly priority?: number | undefined;
  readonly protocol?: number | undefined;
  /** Skips duplicate address detection (IPv6 only). */
  readonly noDad?: boolean | undefined;
  readonly optimistic?: boolean | undefined;
  readonly homeAddress?: boolean | undefined;
  readonly manageTempAddr?: boolean | undefined;
  readonly noPrefixRoute?: boolean | undefined;
  readonly autoJoin?: boolean | undefined;
}

/** Gives the link an address. Gives false when it is there already. */
export function addrAdd(
  connection: RouteConnection,
  linkIndex: number,
  prefix: Prefix,
  options: AddrOptions = {},
): boolean {
  return happens(EEXIST, () =>
    send(connection, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, 'add', linkIndex, prefix, options),
  );
}

/** Gives the link an address, or the address that is there new lifetimes, flags and metric. */
export function addrReplace(
  connection: RouteConnection,
  linkIndex: number,
  prefix: Prefix,
  options: AddrOptions = {},
): void {
  const flags = NLM_F_CREATE | NLM_F_REPLACE;
  send(connection, RTM_NEWADDR, flags, 'replace', linkIndex, prefix, options);
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  linkIndex: number,
  prefix: Prefix,
  options: AddrOptions,
): void {
  const { broadcast, validSeconds, preferredSeconds, scope = defaultScope(prefix) } = options;
  const isV4 = prefix.addr.family === 4;
  const ifaFlags = bitsWhereTrue(ADDR_FLAGS, isV4 ? { ...options, noDad: false } : options);
  const hasLifetime = validSeconds !== undefined || preferredSeconds !== undefined;
  const valid = validSeconds ?? INFINITY_LIFE_TIME;
  const attributes = {
    address: options.peer ?? prefix.addr,
    local: prefix.addr,
    label: options.label,
    broadcast: broadcast === 'none' ? undefined : (broadcast ?? defaultBroadcast(prefix, options)),
    cacheInfo: hasLifetime
      ? { valid, preferred: Math.min(preferredSeconds ?? valid, valid) }
      : undefined,
    flags: ifaFlags === 0 ? undefined : ifaFlags,
    priority: options.priority,
    protocol: options.protocol,
  };
  connection.netlink.execute({
    operation: `${verb} address ${prefix} to link ${linkIndex}`,
    type,
    flags,
    write: (writer) =>
      encodePayload(writer, addrPayload, { ...headerOf(linkIndex, prefix), scope }, attributes),
  });
}

function defaultScope({ addr }: Prefix): number {
  return addr.family === 4 && addr.w3 >>> 24 === 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
}

function defaultBroadcast(prefix: Prefix, { peer }: AddrOptions): Addr | undefined {
  const hasOne = prefix.addr.family === 4 && prefix.bits < 31 && peer === undefined;
  return hasOne ? prefix.last() : undefined;
}

/** Takes the address from the link. Gives false when it is not there. */
export function addrDel(
  connection: RouteConnection,
  linkIndex: number,
  prefix: Prefix,
  { peer = prefix.addr }: Pick<AddrOptions, 'peer'> = {},
): boolean {
  return happens(EADDRNOTAVAIL, () =>
    connection.netlink.execute({
      operation: `delete address ${prefix} from link ${linkIndex}`,
      type: RTM_DELADDR,
      write: (writer) =>
        encodePayload(writer, addrPayload, headerOf(linkIndex, prefix), {
          address: peer,
          local: prefix.addr,
        }),
    }),
  );
}

/** Takes away those addresses of the link that `which` says, by default all; gives how many. */
export function addrFlush(
  connection: RouteConnection,
  linkIndex: number,
  which: (addr: LinkAddr) => boolean = () => true,
): number {
  // One that goes may take others with it: the secondary addresses of its prefix.
  return addrList(connection, linkIndex).filter(
    (each) =>
      which(each) &&
      addrDel(connection, linkIndex, each.prefix, { peer: each.peer ?? each.prefix.addr }),
  ).length;
}

function headerOf(index: number, prefix: Prefix) {
  return { family: addressFamily(prefix.addr.family), prefixLength: prefix.bits, index };
}

/** The addresses of one link or of all, of one family or of both. */
export function addrList(
  connection: RouteConnection,
  linkIndex?: number,
  family?: 4 | 6,
): LinkAddr[] {
  const header = {
    index: linkIndex ?? 0,
    family: family === undefined ? 0 : addressFamily(family),
  };
  const request = {
    operation: 'list addresses',
    type: RTM_GETADDR,
    write: (writer: Writer) => encodePayload(writer, addrPayload, header, {}),
  };
  let addrs: LinkAddr[] = [];
  // A link that is gone has no addresses.
  happens(ENODEV, () => {
    addrs = connection.netlink.dump(request, decodeAddr);
  });
  return addrs.filter((addr) => linkIndex === undefined || addr.linkIndex === linkIndex);
}

/** The address of an RTM_NEWADDR or RTM_DELADDR. Throws DecodeError. */
export function decodeAddr(message: Message): LinkAddr {
  const { header, attributes } = decodePayload(addrPayload, message.payload);
  // On a point-to-point link `address` is the peer's, and `local` is absent for IPv6 without one.
  const { address, local = address, cacheInfo } = attributes;
  if (local === undefined) throw new DecodeError('address', 'missing');
  return {
    linkIndex: header.index,
    prefix: prefixOf(local, header.prefixLength),
    peer: address === undefined || address.equals(local) ? undefined : address,
    broadcast: attributes.broadcast,
    label: attributes.label,
    scope: header.scope,
    validSeconds: lifetime(cacheInfo?.valid),
    preferredSeconds: lifetime(cacheInfo?.preferred),
    priority: attributes.priority,
    protocol: attributes.protocol,
    ...flagsOf(ADDR_FLAGS, attributes.flags ?? header.flags),
  };
}

function lifetime(seconds: number | undefined): number | undefined {
  return seconds === INFINITY_LIFE_TIME ? undefined : seconds;
}
