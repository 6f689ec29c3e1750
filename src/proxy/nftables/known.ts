import { Addr } from '../../ipaddr/addr.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import type { ServiceRoute } from '../model/route.ts';
import { routeElements } from './element.ts';
import type { KnownNumbers } from './family-state.ts';
import { HEADER, type IpFamily, SET } from './names.ts';
import type { KnownPool } from './pools.ts';
import { poolOf, target } from './target.ts';

/** The elements of the kernel's sets, by the name of the set. */
export type SetElements = ReadonlyMap<string, readonly Element[]>;

/**
 * Reads from the kernel's elements which numbers stand for what, so that a restart gives every pool,
 * slot and class the number it had and has nothing to send.
 */
export function knownNumbers(family: IpFamily, sets: SetElements): KnownNumbers {
  const slots = slotsByPool(family, sets);
  const leads = leadElements(sets);
  const numbers = [...slots.keys()];
  return {
    classes: classesOf(sets.get(SET.pickChains) ?? []),
    poolNumberMax: numbers.reduce((max, number) => Math.max(max, number), 0),
    poolOf(route, poolId): KnownPool | undefined {
      const lead = leadOf(route, poolId, leads);
      if (lead === undefined) return undefined;
      const number = poolOf(lead);
      return { number, ...(slots.get(number) ?? { slots: [], indexes: new Map() }) };
    },
  };
}

function classesOf(elements: readonly Element[]): Map<string, number> {
  const classes = new Map<string, number>();
  for (const { key, data } of elements) {
    const chain = data !== undefined && 'verdict' in data ? data.verdict.chain : undefined;
    if (chain !== undefined) classes.set(chain, hostNumber(key, 0));
  }
  return classes;
}

/** What each pool's slots hold, and of pools that remember clients the lasting numbers. */
function slotsByPool(family: IpFamily, sets: SetElements): Map<number, Omit<KnownPool, 'number'>> {
  const pools = new Map<number, { slots: string[]; indexes: Map<string, number> }>();
  const poolAt = (number: number) => {
    const pool = pools.get(number) ?? { slots: [], indexes: new Map<string, number>() };
    pools.set(number, pool);
    return pool;
  };
  for (const { key, data } of sets.get(SET.endpoints) ?? []) {
    poolAt(poolOf(hostNumber(key, 0))).slots[hostNumber(key, 4)] = endpointKey(family, data);
  }
  const sticky = new Map<number, string>();
  for (const { key, data } of sets.get(SET.stickyEndpoints) ?? []) {
    const lasting = hostNumber(key, 0);
    const endpoint = endpointKey(family, data);
    sticky.set(lasting, endpoint);
    const number = poolOf(lasting);
    poolAt(number).indexes.set(endpoint, lasting - target(number, 0));
  }
  for (const { key, data } of sets.get(SET.stickySlots) ?? []) {
    const lasting = data !== undefined && 'value' in data ? hostNumber(data.value, 0) : 0;
    const { slots } = poolAt(poolOf(hostNumber(key, 0)));
    slots[hostNumber(key, 4)] = sticky.get(lasting) ?? '';
  }
  // A slot that holds nothing, which no complete table has, is an endpoint nobody knows.
  for (const pool of pools.values()) pool.slots = Array.from(pool.slots, (key) => key ?? '');
  return pools;
}

/** As `targetKey` has it. */
function endpointKey(family: IpFamily, data: Element['data']): string {
  const endpoint =
    data !== undefined && 'value' in data ? endpointAt(family, data.value) : undefined;
  return endpoint === undefined ? '' : `${endpoint.addr.key} ${endpoint.port}`;
}

/** The address and port an element leads to; undefined where it is too short for both. */
export function endpointAt(
  family: IpFamily,
  value: Uint8Array,
): { readonly addr: Addr; readonly port: number } | undefined {
  const { bytes, words } = HEADER[family];
  if (value.length < words * 4 + 2) return undefined;
  const port = ((value[words * 4] ?? 0) << 8) | (value[words * 4 + 1] ?? 0);
  return { addr: Addr.fromBytes(value.subarray(0, bytes)), port };
}

/** The sets of node ports whose elements lead to a pool. */
export const PORT_LEAD_SETS: readonly string[] = [
  SET.nodePorts,
  SET.nodePortsLocal,
  SET.nodePortsShort,
];
/** All sets whose elements lead to a pool. */
export const LEAD_SETS: readonly string[] = [
  SET.clusterIPs,
  SET.externalIPs,
  SET.externalIPsLocal,
  SET.externalIPsShort,
  ...PORT_LEAD_SETS,
];
const SHORT_SETS: readonly string[] = [SET.externalIPsShort, SET.nodePortsShort];

/** The targets by set and key. */
function leadElements(sets: SetElements): Map<string, number> {
  const leads = new Map<string, number>();
  for (const set of LEAD_SETS) {
    for (const { key, data } of sets.get(set) ?? []) {
      if (data !== undefined && 'value' in data) {
        leads.set(`${set} ${key.toHex()}`, hostNumber(data.value, 0));
      }
    }
  }
  return leads;
}

/** The target that the kernel has for one of a route's pools, by the elements the route would have. */
function leadOf(
  route: ServiceRoute,
  poolId: string,
  leads: ReadonlyMap<string, number>,
): number | undefined {
  const { outside, host } = route.ways;
  let found: number | undefined;
  routeElements(
    route,
    () => 0,
    (set, { key }) => {
      const pool = SHORT_SETS.includes(set) ? host.pool : outside.pool;
      if (pool.id === poolId) found ??= leads.get(`${set} ${key.toHex()}`);
    },
  );
  return found;
}

/** 32 bits in the host's order; 0 where there are not so many. */
export function hostNumber(bytes: Uint8Array, offset: number): number {
  if (bytes.length < offset + 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}
