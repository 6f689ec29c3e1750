import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import { chainList, elementGet, ruleList } from '../../netlink/nftables/list.ts';
import { concatValues, hostU32 } from '../../netlink/nftables/value.ts';
import { check, type LiveCheck } from '../live-check.ts';
import { type EndpointTarget, formatEndpoint } from '../model/endpoint.ts';
import type { ServiceRoute, Way } from '../model/route.ts';
import type { Packet, Trace } from '../model/trace.ts';
import type { NodeRules } from '../node.ts';
import { sameRules } from './actual.ts';
import { staticChains } from './chains.ts';
import { clusterAddrElement, hairpinElement, routeElements, serviceKey } from './element.ts';
import { endpointAt, hostNumber } from './known.ts';
import { type IpFamily, SET, TABLE } from './names.ts';
import { chainOf, pickOf } from './pick.ts';
import { setSpecs } from './sets.ts';
import { targetKey } from './slots.ts';
import { CLASS_MAX, poolOf, target } from './target.ts';

const ADDRESS_SETS: readonly string[] = [
  SET.clusterIPs,
  SET.externalIPs,
  SET.externalIPsLocal,
  SET.externalIPsShort,
  SET.refusedIPs,
  SET.droppedIPs,
  SET.droppedIPsOutside,
  SET.guarded,
];
const PORT_SETS: readonly string[] = [
  SET.nodePorts,
  SET.nodePortsLocal,
  SET.nodePortsShort,
  SET.refusedPorts,
  SET.droppedPortsOutside,
];
/** The sets that only those from outside look into, and that they don't. */
const OUTSIDE_SETS: readonly string[] = [
  SET.externalIPsLocal,
  SET.nodePortsLocal,
  SET.droppedIPsOutside,
  SET.droppedPortsOutside,
];
const INSIDE_SETS: readonly string[] = [SET.externalIPsShort, SET.nodePortsShort];

/**
 * Compares what a packet meets in the kernel, in the namespace the thread is in, with what the model
 * says it shall meet. Throws NetlinkError.
 */
export function inspectPacket(
  packet: Packet,
  { route, hairpin }: Trace,
  node: NodeRules,
): LiveCheck[] {
  using connection = NftablesConnection.open();
  const { family } = packet.destination;
  const kernel = new KernelTable(connection, family);
  const unmet = packet.origin === 'outside' ? INSIDE_SETS : OUTSIDE_SETS;
  const checks = checkChains(connection, family, node);
  const wanted = new Map<string, Element>();
  if (route !== undefined) {
    routeElements(
      route,
      () => 0,
      (set, element) => {
        if (set !== SET.admitted) wanted.set(set, element);
      },
    );
  }
  const isPort = route?.entry === 'node-port';
  const { protocol, port } = packet;
  const addr = isPort ? undefined : packet.destination;
  const key = serviceKey({ addr, protocol, port });
  const name = [...(isPort ? [] : [`${packet.destination}`]), protocol.toLowerCase(), port];
  for (const set of isPort ? PORT_SETS : ADDRESS_SETS) {
    if (unmet.includes(set)) continue;
    const found = kernel.get(set, key);
    const element = name.join(' . ');
    if (found?.data === undefined || !('value' in found.data)) {
      const isLead = wanted.get(set)?.data !== undefined;
      const text = isLead && route !== undefined ? pickText(wayOf(route, packet)) : 'there';
      checks.push(...check(set, element, wanted.has(set) ? text : undefined, found && 'there'));
    } else {
      checks.push(...checkLead(kernel, set, element, found.data.value, route, packet));
    }
  }
  const has = (set: string, bytes: Uint8Array, text: string, isWanted: boolean): void => {
    checks.push(
      ...check(set, text, isWanted ? 'there' : undefined, kernel.get(set, bytes) && 'there'),
    );
  };
  if (route?.entry === 'cluster-ip') {
    const { key: bytes } = clusterAddrElement(packet.destination);
    has(SET.clusterAddrs, bytes, `${packet.destination}`, true);
  }
  if (isPort && node.nodePortAddrs !== 'all') {
    has(SET.nodePortAddrs, packet.destination.toBytes(), `${packet.destination}`, true);
  }
  if (node.detector.kind === 'prefixes' && packet.origin !== 'host') {
    has(SET.pods, packet.source.toBytes(), `${packet.source}`, packet.origin === 'pod');
  }
  if (route?.sources !== undefined) {
    const isIn = route.sources.some((prefix) => prefix.contains(packet.source));
    const bytes = concatValues(key, packet.source.toBytes());
    has(SET.admitted, bytes, [...name, packet.source].join(' . '), isIn);
  }
  for (const endpoint of hairpin) {
    const { key: bytes } = hairpinElement(endpoint);
    has(SET.hairpin, bytes, `${endpoint.addr} . ${endpoint.addr}`, true);
  }
  return checks;
}

/** Reads single elements of our table. */
class KernelTable {
  readonly #connection: NftablesConnection;
  readonly #family: IpFamily;
  readonly #specs: ReadonlyMap<string, ReturnType<typeof setSpecs>[number]>;

  constructor(connection: NftablesConnection, family: IpFamily) {
    this.#connection = connection;
    this.#family = family;
    this.#specs = new Map(setSpecs(family).map((spec) => [spec.name, spec]));
  }

  get family(): IpFamily {
    return this.#family;
  }

  get(set: string, key: Uint8Array): Element | undefined {
    const spec = this.#specs.get(set);
    if (spec === undefined) return undefined;
    return elementGet(this.#connection, TABLE[this.#family], spec, [key])?.[0];
  }

  value(set: string, key: Uint8Array): Uint8Array | undefined {
    const data = this.get(set, key)?.data;
    return data !== undefined && 'value' in data ? data.value : undefined;
  }
}

function wayOf(route: ServiceRoute, { origin }: Packet): Way {
  return route.ways[origin];
}

/** How a pool is picked from, as the chain for it is named. */
function pickText({ pool }: Way): string {
  return chainOf({ count: pool.endpoints.length, stickySeconds: pool.affinitySeconds });
}

/** What leads to a pool, how it is picked from, and all endpoints in it. */
function checkLead(
  kernel: KernelTable,
  set: string,
  element: string,
  value: Uint8Array,
  route: ServiceRoute | undefined,
  packet: Packet,
): LiveCheck[] {
  const lead = hostNumber(value, 0);
  const pool = poolOf(lead);
  const picked = kernel.get(SET.pickChains, hostU32(lead & CLASS_MAX))?.data;
  const chain = picked !== undefined && 'verdict' in picked ? picked.verdict.chain : undefined;
  const way = route === undefined ? undefined : wayOf(route, packet);
  const isWanted = way !== undefined && way.pool.endpoints.length > 0;
  const checks = check(set, element, isWanted ? pickText(way) : undefined, chain ?? 'no chain');
  const endpoints = isWanted ? way.pool.endpoints : [];
  const pick = chain === undefined ? undefined : pickOf(chain);
  const slots = Math.max(pick?.count ?? 0, endpoints.length);
  const isSticky = (pick?.stickySeconds ?? 0) > 0;
  const left = new Map<string, EndpointTarget>(endpoints.map((each) => [targetKey(each), each]));
  for (let slot = 0; slot < slots; slot += 1) {
    const key = concatValues(hostU32(target(pool, 0)), hostU32(slot));
    const lasting = isSticky ? kernel.value(SET.stickySlots, key) : undefined;
    const map = isSticky ? SET.stickyEndpoints : SET.endpoints;
    const data = isSticky ? lasting && kernel.value(map, lasting) : kernel.value(map, key);
    const name = `pool ${pool} . slot ${slot}`;
    const found = data === undefined ? undefined : endpointAt(kernel.family, data);
    if (found === undefined) {
      checks.push(...check(map, name, 'an endpoint', undefined));
      continue;
    }
    const actual = formatEndpoint(found);
    const known = left.delete(targetKey(found));
    checks.push(...check(map, name, known ? actual : undefined, actual));
  }
  for (const endpoint of left.values()) {
    checks.push(...check(SET.endpoints, `pool ${pool}`, formatEndpoint(endpoint), undefined));
  }
  return checks;
}

/** The chains that are not as they shall be. */
function checkChains(
  connection: NftablesConnection,
  family: IpFamily,
  node: NodeRules,
): LiveCheck[] {
  const table = TABLE[family];
  const chains = new Set(chainList(connection, table).map(({ name }) => name));
  const rules = Map.groupBy(ruleList(connection, table), ({ chain }) => chain);
  return staticChains(family, node).flatMap(({ name, rules: wanted }) => {
    const there = chains.has(name);
    if (there && sameRules(wanted, rules.get(name) ?? [])) return [];
    const actual = there ? `${rules.get(name)?.length ?? 0} rules, other ones` : undefined;
    return check(`chain ${name}`, '', `${wanted.length} rules`, actual);
  });
}
