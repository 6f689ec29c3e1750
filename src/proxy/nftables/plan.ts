import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Element } from '../../netlink/nftables/element.ts';
import { goTo } from '../../netlink/nftables/expression/verdict.ts';
import type { SetSpec } from '../../netlink/nftables/set.ts';
import { concatValues, hostU32, networkU16 } from '../../netlink/nftables/value.ts';
import type { ServiceRoute } from '../model/route.ts';
import {
  type ChainSpec,
  ENDPOINTS,
  HAIRPIN,
  PICK_CHAINS,
  pickChain,
  pickChainSpec,
  SERVICE_IPS,
  setSpecs,
  staticChains,
} from './layout.ts';

/** An element of a set or map; `identity` is equal for elements with equal data. */
export interface PlannedElement {
  readonly key: Uint8Array;
  readonly data: Element['data'];
  readonly identity: string;
}

/** Everything podwire wants in its table of one family. */
export interface TablePlan {
  readonly sets: readonly SetSpec[];
  readonly chains: ReadonlyMap<string, ChainSpec>;
  /** By the name of the set, then by the key in hexadecimal. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, PlannedElement>>;
}

/** IANA protocol numbers. */
const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Plans the table of one family for the routes of that family; others are passed over. Pure. */
export function planTable(family: 4 | 6, routes: readonly ServiceRoute[]): TablePlan {
  const sets = setSpecs(family);
  const chains = new Map(staticChains(family).map((chain) => [chain.name, chain]));
  const elements = new Map(sets.map((set) => [set.name, new Map<string, PlannedElement>()]));
  const add = (set: string, key: Uint8Array, data: Element['data']): void => {
    elements.get(set)?.set(hex(key), { key, data, identity: identityOf(data) });
  };
  const counts = new Set<number>();
  for (const route of routes) {
    if (route.addr.family !== family) continue;
    const protocol = Uint8Array.of(PROTOCOL_NUMBER[route.protocol]);
    const key = concatValues(route.addr.toBytes(), protocol, networkU16(route.port));
    const count = route.endpoints.length;
    counts.add(count);
    add(SERVICE_IPS, key, { value: hostU32(count) });
    route.endpoints.forEach(({ addr, port }, slot) => {
      add(ENDPOINTS, concatValues(key, hostU32(slot)), {
        value: concatValues(addr.toBytes(), networkU16(port)),
      });
      add(HAIRPIN, pairOf(addr), undefined);
    });
  }
  for (const count of counts) {
    const name = pickChain(count);
    if (count > 0) chains.set(name, pickChainSpec(family, count));
    add(PICK_CHAINS, hostU32(count), { verdict: goTo(name) });
  }
  return { sets, chains, elements };
}

/** Equal for equal data of elements, whether planned or read from the kernel. */
export function identityOf(data: Element['data']): string {
  if (data === undefined) return '';
  if ('value' in data) return hex(data.value);
  return 'object' in data ? data.object : `${data.verdict.code} ${data.verdict.chain ?? ''}`;
}

/** The bytes in hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

function pairOf(addr: Addr): Uint8Array {
  const bytes = addr.toBytes();
  return concatValues(bytes, bytes);
}
