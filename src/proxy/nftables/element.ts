import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { AddrSet } from '../../ipaddr/set/addr-set.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import { concatValues, hostU32, networkU16 } from '../../netlink/nftables/value.ts';
import type { EndpointTarget } from '../model/endpoint.ts';
import type { ServiceRoute, Way } from '../model/route.ts';
import type { NodeRules } from '../node.ts';
import { HEADER, type IpFamily, SET } from './names.ts';
import type { PlacedPool } from './pools.ts';
import { target } from './target.ts';

/* Routes, pools and node rules as elements of sets. Each function tells `emit` of all it makes. */

export type Emit = (set: string, element: Element) => void;

/** IANA protocol numbers. */
export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** The elements of one route; `targetOf` gives the number that stands for a pool and its picking. */
export function routeElements(
  route: ServiceRoute,
  targetOf: (poolId: string) => number,
  emit: Emit,
): void {
  const { entry, ways, sources } = route;
  const key = serviceKey(route);
  const { outside, host } = ways;
  const isPort = entry === 'node-port';
  const lead = (set: string, { pool }: Way): void =>
    emit(set, { key, data: { value: hostU32(targetOf(pool.id)) } });
  if (isDead(host)) {
    const isDropped = host.pool.whenEmpty === 'drop';
    emit(isPort ? SET.refusedPorts : isDropped ? SET.droppedIPs : SET.refusedIPs, { key });
  } else if (entry === 'cluster-ip') {
    lead(SET.clusterIPs, outside);
  } else if (host.pool === outside.pool) {
    lead(isPort ? SET.nodePorts : SET.externalIPs, outside);
  } else {
    lead(isPort ? SET.nodePortsShort : SET.externalIPsShort, host);
    if (!isDead(outside)) lead(isPort ? SET.nodePortsLocal : SET.externalIPsLocal, outside);
    else emit(isPort ? SET.droppedPortsOutside : SET.droppedIPsOutside, { key });
  }
  if (sources === undefined) return;
  emit(SET.guarded, { key });
  for (const prefix of sources) {
    emit(SET.admitted, {
      key: concatValues(key, prefix.first().toBytes()),
      keyEnd: concatValues(key, prefix.last().toBytes()),
    });
  }
}

/** Whether there is nowhere to go. The host's pool is the widest: where it has none, nobody has one. */
function isDead({ pool }: Way): boolean {
  return pool.endpoints.length === 0;
}

/** Address, protocol and port as the maps have them; a node port has no address. */
export function serviceKey({
  addr,
  protocol,
  port,
}: Pick<ServiceRoute, 'addr' | 'protocol' | 'port'>): Uint8Array {
  const rest = [Uint8Array.of(PROTOCOL_NUMBER[protocol]), networkU16(port)];
  return addr === undefined ? concatValues(...rest) : concatValues(addr.toBytes(), ...rest);
}

/** The address of a cluster IP's route as an element of `cluster-addrs`. */
export function clusterAddrElement(addr: Addr): Element {
  return { key: addr.toBytes() };
}

/** An endpoint that meets itself, as an element of `hairpin`. */
export function hairpinElement({ addr }: EndpointTarget): Element {
  const bytes = addr.toBytes();
  return { key: concatValues(bytes, bytes) };
}

/** The endpoints of a pool, but for those that `other` has in the same slots. */
export function poolElements(
  pool: PlacedPool | undefined,
  other: PlacedPool | undefined,
  emit: Emit,
): void {
  if (pool === undefined) return;
  const { number, slots, indexes, pick } = pool;
  const isSticky = pick.stickySeconds > 0;
  const isLike =
    other !== undefined && other.number === number && other.pick.stickySeconds > 0 === isSticky;
  slots.forEach((endpoint, slot) => {
    const same = isLike ? other.slots[slot] : undefined;
    if (
      same !== undefined &&
      sameEndpoint(same, endpoint) &&
      indexes[slot] === other?.indexes[slot]
    ) {
      return;
    }
    const key = twoHostU32(target(number, 0), slot);
    const value = endpointValue(endpoint);
    if (!isSticky) {
      emit(SET.endpoints, { key, data: { value } });
      return;
    }
    const lasting = hostU32(target(number, indexes[slot] ?? 0));
    emit(SET.stickySlots, { key, data: { value: lasting } });
    emit(SET.stickyEndpoints, { key: lasting, data: { value } });
  });
}

function sameEndpoint(a: EndpointTarget, b: EndpointTarget): boolean {
  return a === b || (a.port === b.port && a.addr.equals(b.addr));
}

/** Two numbers side by side, at the least cost: there are as many of these as endpoints. */
function twoHostU32(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 0, first, true);
  writeU32(bytes, 4, second, true);
  return bytes;
}

/** Address and port, as a translation takes them. */
function endpointValue({ addr, port }: EndpointTarget): Uint8Array {
  const { bytes: length } = HEADER[addr.family];
  const bytes = new Uint8Array(length + 4);
  const words = [addr.w0, addr.w1, addr.w2, addr.w3];
  const first = 4 - length / 4;
  for (let word = first; word < 4; word += 1) {
    writeU32(bytes, (word - first) * 4, words[word] ?? 0, false);
  }
  bytes[length] = port >> 8;
  bytes[length + 1] = port & 255;
  return bytes;
}

function writeU32(bytes: Uint8Array, at: number, value: number, littleEndian: boolean): void {
  for (let octet = 0; octet < 4; octet += 1) {
    bytes[at + octet] = value >>> (littleEndian ? octet * 8 : 24 - octet * 8);
  }
}

/** What depends on the node alone. */
export function nodeElements(node: NodeRules, family: IpFamily, emit: Emit): void {
  const { detector, nodePortAddrs, serviceCidrs } = node;
  if (nodePortAddrs !== 'all') {
    for (const addr of nodePortAddrs) {
      if (addr.family === family) emit(SET.nodePortAddrs, { key: addr.toBytes() });
    }
  }
  const pods = detector.kind === 'prefixes' ? detector.prefixes : [];
  for (const element of rangeElements(pods, family)) emit(SET.pods, element);
  for (const element of rangeElements(serviceCidrs, family)) emit(SET.serviceRanges, element);
}

/** Prefixes of one family as intervals, joined where they overlap or touch. */
function* rangeElements(prefixes: readonly Prefix[], family: IpFamily): Generator<Element> {
  const own = prefixes.filter((prefix) => prefix.addr.family === family);
  for (const { first, last } of AddrSet.of(own).ranges()) {
    const key = first.toBytes();
    yield first.equals(last) ? { key } : { key, keyEnd: last.toBytes() };
  }
}
