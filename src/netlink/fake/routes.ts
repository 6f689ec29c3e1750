import type { FakeAddr } from './addrs.ts';
import { type FakeEvent, type ObjectMessage, Refusal } from './answer.ts';
import type { FakeLinks } from './links.ts';
import { encodeRaw, equal, fromU32, number, type RawAttributes } from './raw-attributes.ts';
import { type FakeRequest, splitPayload } from './request.ts';

/* linux/rtnetlink.h */
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTNLGRP_IPV4_ROUTE = 7;
const RTNLGRP_IPV6_ROUTE = 11;
const HEADER_BYTES = 12; // struct rtmsg
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RT_TABLE_COMPAT = 252;
const RTPROT_KERNEL = 2;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const RTNH_F_ONLINK = 4;
const AF_INET = 2;
const IPV6_PRIORITY = 1024;

const ENODEV = 19;
const EEXIST = 17;
const ENOENT = 2;
const ESRCH = 3;
const ENETDOWN = 100;
const ENETUNREACH = 101;

interface FakeRoute {
  readonly family: number;
  readonly dstLength: number;
  readonly tos: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly flags: number;
  readonly table: number;
  readonly priority: number;
  readonly dst: Uint8Array;
  readonly linkIndex: number;
  readonly gateway: Uint8Array | undefined;
  readonly attributes: RawAttributes;
}

/** The routes of a fake kernel, in the order a dump gives them. It has no local table. */
export class FakeRoutes {
  readonly #links: FakeLinks;
  #routes: FakeRoute[] = [];

  constructor(links: FakeLinks) {
    this.#links = links;
  }

  get(request: FakeRequest): ObjectMessage[] {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    const family = header.getUint8(0);
    const table = number(attributes.get(RTA_TABLE)) ?? header.getUint8(4);
    const linkIndex = number(attributes.get(RTA_OIF));
    return this.#routes
      .filter((route) => family === 0 || route.family === family)
      .filter((route) => table === 0 || route.table === table)
      .filter((route) => linkIndex === undefined || route.linkIndex === linkIndex)
      .map((route) => message(RTM_NEWROUTE, route));
  }

  /** Throws Refusal. */
  add(request: FakeRequest): FakeEvent[] {
    const route = read(request);
    const via = this.#nextHop(route);
    const same = this.#routes.filter((each) => isSame(each, route));
    if (same.length > 0 && request.exclusive) throw new Refusal(EEXIST);
    if (same.length === 0 && !request.create) throw new Refusal(ENOENT);
    const added = { ...route, linkIndex: via };
    if (request.replace) {
      const [replaced] = same;
      this.#routes = this.#routes.filter((each) => each !== replaced);
    }
    if (request.append) this.#insert(added);
    else this.#routes = sorted([added, ...this.#routes]);
    return [event(RTM_NEWROUTE, added)];
  }

  /** Throws Refusal. */
  remove(request: FakeRequest): FakeEvent[] {
    const asked = read(request, true);
    const found = this.#routes.find((each) => matches(each, asked));
    if (found === undefined) throw new Refusal(ESRCH);
    this.#routes = this.#routes.filter((each) => each !== found);
    return [event(RTM_DELROUTE, found)];
  }

  /** The route to an address's own prefix, which the kernel makes when the link is up. */
  connect(addr: FakeAddr): FakeEvent[] {
    if (addr.family !== AF_INET || addr.prefixLength >= 32) return [];
    if (!this.#links.isUp(addr.linkIndex)) return [];
    const dst = masked(addr.address, addr.prefixLength);
    const attributes = new Map([
      [RTA_DST, dst],
      [RTA_OIF, fromU32(addr.linkIndex)],
      [RTA_PREFSRC, addr.address],
      [RTA_TABLE, fromU32(RT_TABLE_MAIN)],
    ]);
    const route: FakeRoute = {
      family: AF_INET,
      dstLength: addr.prefixLength,
      tos: 0,
      protocol: RTPROT_KERNEL,
      scope: RT_SCOPE_LINK,
      type: RTN_UNICAST,
      flags: 0,
      table: RT_TABLE_MAIN,
      priority: 0,
      dst,
      linkIndex: addr.linkIndex,
      gateway: undefined,
      attributes,
    };
    if (this.#routes.some((each) => isSame(each, route))) return [];
    this.#insert(route);
    return [event(RTM_NEWROUTE, route)];
  }

  /** The address is gone: routes that came with it, and those that have it as their source. */
  disconnect(addr: FakeAddr): FakeEvent[] {
    return this.#forget((route) => equal(route.attributes.get(RTA_PREFSRC), addr.address));
  }

  /** The link is down or gone. */
  forget(linkIndex: number): FakeEvent[] {
    return this.#forget((route) => route.linkIndex === linkIndex);
  }

  #forget(isGone: (route: FakeRoute) => boolean): FakeEvent[] {
    const gone = this.#routes.filter(isGone);
    this.#routes = this.#routes.filter((route) => !isGone(route));
    return gone.map((route) => event(RTM_DELROUTE, route));
  }

  #insert(route: FakeRoute): void {
    this.#routes = sorted([...this.#routes, route]);
  }

  /** The link a route goes by. Throws Refusal when packets could not go there. */
  #nextHop({ family, linkIndex, gateway, flags, type }: FakeRoute): number {
    if (type !== RTN_UNICAST) return linkIndex;
    if (linkIndex !== 0 && !this.#links.has(linkIndex)) throw new Refusal(ENODEV);
    if (linkIndex !== 0 && !this.#links.isUp(linkIndex)) {
      throw new Refusal(ENETDOWN, family === AF_INET ? 'Device for nexthop is not up' : '');
    }
    if (gateway === undefined) return linkIndex;
    if ((flags & RTNH_F_ONLINK) !== 0 && linkIndex !== 0) return linkIndex;
    const direct = this.#routes.find(
      (route) =>
        route.family === family &&
        route.gateway === undefined &&
        (linkIndex === 0 || route.linkIndex === linkIndex) &&
        equal(masked(gateway, route.dstLength), route.dst),
    );
    if (direct === undefined) throw new Refusal(ENETUNREACH, 'Nexthop has invalid gateway');
    return direct.linkIndex;
  }
}

function read(request: FakeRequest, isDelete = false): FakeRoute {
  const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
  const family = header.getUint8(0);
  const table = number(attributes.get(RTA_TABLE)) ?? header.getUint8(4);
  const kept = new Map(attributes);
  const given = number(attributes.get(RTA_PRIORITY)) ?? 0;
  const priority = given === 0 && family !== AF_INET && !isDelete ? IPV6_PRIORITY : given;
  if (priority !== 0) kept.set(RTA_PRIORITY, fromU32(priority));
  kept.set(RTA_TABLE, fromU32(table === 0 ? RT_TABLE_MAIN : table));
  return {
    family,
    dstLength: header.getUint8(1),
    tos: header.getUint8(3),
    table: table === 0 ? RT_TABLE_MAIN : table,
    protocol: header.getUint8(5),
    scope: header.getUint8(6),
    type: header.getUint8(7),
    flags: header.getUint32(8, true),
    priority,
    dst: attributes.get(RTA_DST) ?? new Uint8Array(family === AF_INET ? 4 : 16),
    linkIndex: number(attributes.get(RTA_OIF)) ?? 0,
    gateway: attributes.get(RTA_GATEWAY),
    attributes: kept,
  };
}

/** In the order of a dump; of those to one destination the order stays. */
function sorted(routes: readonly FakeRoute[]): FakeRoute[] {
  return routes.toSorted(
    (a, b) =>
      a.family - b.family ||
      a.table - b.table ||
      Buffer.compare(a.dst, b.dst) ||
      a.dstLength - b.dstLength ||
      a.priority - b.priority,
  );
}

/** What makes two routes the same one to the kernel. */
function isSame(a: FakeRoute, b: FakeRoute): boolean {
  return (
    a.family === b.family &&
    a.table === b.table &&
    a.dstLength === b.dstLength &&
    a.tos === b.tos &&
    a.priority === b.priority &&
    equal(a.dst, b.dst)
  );
}

/** Whether `asked`, what a deletion says, is true of the route; what it leaves out is. */
function matches(route: FakeRoute, asked: FakeRoute): boolean {
  return (
    isSame(route, { ...asked, priority: asked.priority === 0 ? route.priority : asked.priority }) &&
    (asked.type === 0 || asked.type === route.type) &&
    (asked.scope === RT_SCOPE_NOWHERE || asked.scope === route.scope) &&
    (asked.protocol === 0 || asked.protocol === route.protocol) &&
    (asked.linkIndex === 0 || asked.linkIndex === route.linkIndex) &&
    (asked.gateway === undefined || equal(asked.gateway, route.gateway))
  );
}

function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, index) => {
    const kept = Math.max(0, Math.min(8, bits - index * 8));
    return byte & (0xff << (8 - kept));
  });
}

function event(type: number, route: FakeRoute): FakeEvent {
  const group = route.family === AF_INET ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE;
  return { group, ...message(type, route) };
}

function message(type: number, route: FakeRoute): ObjectMessage {
  const header = new Uint8Array(HEADER_BYTES);
  const table = route.table > 255 ? RT_TABLE_COMPAT : route.table;
  const { family, dstLength, tos, protocol, scope } = route;
  header.set([family, dstLength, 0, tos, table, protocol, scope, route.type]);
  new DataView(header.buffer).setUint32(8, route.flags, true);
  const attributes = new Map(route.attributes);
  if (route.linkIndex !== 0) attributes.set(RTA_OIF, fromU32(route.linkIndex));
  return { type, payload: Buffer.concat([header, encodeRaw(attributes, [RTA_METRICS])]) };
}
