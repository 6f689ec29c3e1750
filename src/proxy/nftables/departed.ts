import type { Protocol } from '../../cluster/objects.ts';
import { Addr } from '../../ipaddr/addr.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import type { DepartedWay } from '../model/route.ts';
import { PROTOCOL_NUMBER } from './element.ts';
import { endpointAt, hostNumber, LEAD_SETS, PORT_LEAD_SETS, type SetElements } from './known.ts';
import { HEADER, type IpFamily, SET } from './names.ts';
import { poolOf } from './target.ts';

/** Where translation is decided once for a client that goes on, so that it matters afterwards. */
const LASTING: readonly Protocol[] = ['UDP', 'SCTP'];

/**
 * The ways in among the elements that are removed from a table at its adoption, with the endpoints that
 * `elements`, all the table had, lead to from there.
 */
export function departedWays(
  family: IpFamily,
  removed: ReadonlyMap<string, readonly Element[]>,
  elements: SetElements,
): DepartedWay[] {
  const found: (Omit<DepartedWay, 'endpoints'> & { readonly pool: number })[] = [];
  for (const set of LEAD_SETS) {
    for (const element of removed.get(set) ?? []) {
      const way = wayOf(family, element, PORT_LEAD_SETS.includes(set));
      if (way !== undefined) found.push(way);
    }
  }
  const pools = endpointsOf(family, new Set(found.map(({ pool }) => pool)), elements);
  return found.map(({ pool, ...way }) => ({ ...way, endpoints: pools.get(pool) ?? [] }));
}

function wayOf(family: IpFamily, { key, data }: Element, isPort: boolean) {
  const { bytes, words } = HEADER[family];
  const at = isPort ? 0 : words * 4;
  const protocol = LASTING.find((each) => PROTOCOL_NUMBER[each] === key[at]);
  if (protocol === undefined || key.length < at + 6) return undefined;
  if (data === undefined || !('value' in data)) return undefined;
  return {
    family,
    addr: isPort ? undefined : Addr.fromBytes(key.subarray(0, bytes)),
    protocol,
    port: ((key[at + 4] ?? 0) << 8) | (key[at + 5] ?? 0),
    pool: poolOf(hostNumber(data.value, 0)),
  };
}

function endpointsOf(
  family: IpFamily,
  pools: ReadonlySet<number>,
  elements: SetElements,
): Map<number, DepartedWay['endpoints'][number][]> {
  const found = new Map<number, DepartedWay['endpoints'][number][]>();
  if (pools.size === 0) return found;
  // Both kinds of keys begin with the pool.
  for (const set of [SET.endpoints, SET.stickyEndpoints]) {
    for (const { key, data } of elements.get(set) ?? []) {
      const pool = poolOf(hostNumber(key, 0));
      if (!pools.has(pool) || data === undefined || !('value' in data)) continue;
      const endpoint = endpointAt(family, data.value);
      if (endpoint === undefined) continue;
      const others = found.get(pool);
      if (others === undefined) found.set(pool, [endpoint]);
      else others.push(endpoint);
    }
  }
  return found;
}
