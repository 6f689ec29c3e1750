import { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { ESRCH } from '../../sys/errno.ts';
import type { AttributeTable } from '../attribute.ts';
import { netlinkErrno } from '../error.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../message.ts';
import { struct } from '../struct.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import { addressFamily } from './family.ts';

const RTM_NEWROUTE = 24; // linux/rtnetlink.h
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RT_TABLE_UNSPEC = 0;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

/** The main routing table, RT_TABLE_MAIN. */
export const TABLE_MAIN = 254;
/** A route through a gateway, RT_SCOPE_UNIVERSE. */
export const SCOPE_UNIVERSE = 0;
/** A route to what is directly on the link, RT_SCOPE_LINK. */
export const SCOPE_LINK = 253;
/** No such destination, RT_SCOPE_NOWHERE; deleting with it matches any scope. */
const SCOPE_NOWHERE = 255;

/** RTAX_*. */
const metrics = {
  mtu: { id: 2, type: 'u32' },
  advmss: { id: 8, type: 'u32' },
} as const satisfies AttributeTable;

/** RTA_*. */
const routeAttributes = {
  dst: { id: 1, type: 'bytes' },
  oif: { id: 4, type: 'u32' },
  gateway: { id: 5, type: 'bytes' },
  priority: { id: 6, type: 'u32' },
  prefsrc: { id: 7, type: 'bytes' },
  metrics: { id: 8, type: { nested: metrics } },
  table: { id: 15, type: 'u32' },
} as const satisfies AttributeTable;

const rtmsg = struct('rtmsg', {
  family: 'u8',
  dstLength: 'u8',
  srcLength: 'u8',
  tos: 'u8',
  table: 'u8',
  protocol: 'u8',
  scope: 'u8',
  type: 'u8',
  flags: 'u32',
});

const routePayload = { header: rtmsg, attributes: routeAttributes } as const;

/** A unicast route. */
export interface Route {
  /** The destination; the default route is `0.0.0.0/0` or `::/0`. */
  readonly dst: Prefix;
  readonly gateway?: Addr | undefined;
  /** Index of the link packets leave by. */
  readonly linkIndex?: number | undefined;
  /** RT_SCOPE_*; by default that of a route through a gateway, or on the link without one. */
  readonly scope?: number | undefined;
  /** Routing table, by default the main one. */
  readonly table?: number | undefined;
  /** The metric: of equal routes the lowest wins. */
  readonly priority?: number | undefined;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  /** RTPROT_*: who made the route; by default `boot`, as for a route by hand. */
  readonly protocol?: number | undefined;
  readonly source?: Addr | undefined;
}

/** Adds a route. Throws NetlinkError, with errno EEXIST when there is one to the destination. */
export function routeAdd(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 'add', route);
}

/** Adds a route beside others to the same destination (several paths). */
export function routeAppend(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, 'append', route);
}

/** Adds a route or takes the place of the one to the destination. */
export function routeReplace(connection: RouteConnection, route: Route): void {
  send(connection, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, 'replace', route);
}

/** Removes a route. Gives false when there is none. */
export function routeDel(connection: RouteConnection, route: Route): boolean {
  try {
    send(connection, RTM_DELROUTE, 0, 'delete', { scope: SCOPE_NOWHERE, protocol: 0, ...route });
    return true;
  } catch (error) {
    if (netlinkErrno(error) === ESRCH) return false;
    throw error;
  }
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  route: Route,
): void {
  const header = {
    family: addressFamily(route.dst.addr.family),
    dstLength: route.dst.bits,
    protocol: route.protocol ?? RTPROT_BOOT,
    scope: route.scope ?? (route.gateway === undefined ? SCOPE_LINK : SCOPE_UNIVERSE),
    type: RTN_UNICAST,
    table: RT_TABLE_UNSPEC,
  };
  const hasMetrics = route.mtu !== undefined || route.advmss !== undefined;
  const attributes = {
    dst: route.dst.bits === 0 ? undefined : route.dst.masked().addr.toBytes(),
    oif: route.linkIndex,
    gateway: route.gateway?.toBytes(),
    priority: route.priority,
    prefsrc: route.source?.toBytes(),
    metrics: hasMetrics ? { mtu: route.mtu, advmss: route.advmss } : undefined,
    table: route.table ?? TABLE_MAIN,
  };
  const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
  connection.netlink.execute({
    operation: `${verb} route ${route.dst}${via}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, routePayload, header, attributes),
  });
}

/** The unicast routes of one family in all tables but those the kernel keeps for itself. */
export function routeList(connection: RouteConnection, family: 4 | 6): Route[] {
  const request = {
    operation: 'list routes',
    type: RTM_GETROUTE,
    write: (writer: Writer) =>
      encodePayload(writer, routePayload, { family: addressFamily(family) }, {}),
  };
  return connection.netlink
    .dump(request, (message) => decodeRoute(message, family))
    .filter((route) => route !== undefined);
}

function decodeRoute(message: Message, family: 4 | 6): Route | undefined {
  const { header, attributes } = decodePayload(routePayload, message.payload);
  if (header.type !== RTN_UNICAST) return undefined;
  const dst = attributes.dst ?? new Uint8Array(family === 4 ? 4 : 16);
  const { gateway, prefsrc } = attributes;
  return {
    dst: Prefix.of(Addr.fromBytes(dst), header.dstLength),
    gateway: gateway === undefined ? undefined : Addr.fromBytes(gateway),
    linkIndex: attributes.oif,
    scope: header.scope,
    table: attributes.table ?? header.table,
    priority: attributes.priority,
    mtu: attributes.metrics?.mtu,
    advmss: attributes.metrics?.advmss,
    protocol: header.protocol,
    source: prefsrc === undefined ? undefined : Addr.fromBytes(prefsrc),
  };
}
