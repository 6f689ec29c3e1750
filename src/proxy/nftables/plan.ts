import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { SetSpec } from '../../netlink/nftables/batch.ts';
import type { ElementData } from '../../netlink/nftables/connection.ts';
import { VERDICT_GOTO } from '../../netlink/nftables/expression.ts';
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
  readonly data: ElementData | undefined;
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
  const add = (set: string, key: Uint8Array, data: ElementData | undefined): void => {
    elements.get(set)?.set(hex(key), { key, data, identity: identityOf(data) });
  };
  const counts = new Set<number>();
  for (const route of routes) {
    if (route.addr.family !== family) continue;
    const service = [...route.addr.toBytes(), ...field(PROTOCOL_NUMBER[route.protocol], 1)];
    const key = [...service, ...field(route.port, 2)];
    const count = route.endpoints.length;
    counts.add(count);
    add(SERVICE_IPS, Uint8Array.from(key), { value: hostEndian(count) });
    route.endpoints.forEach(({ addr, port }, slot) => {
      add(ENDPOINTS, Uint8Array.of(...key, ...hostEndian(slot)), {
        value: Uint8Array.of(...addr.toBytes(), ...field(port, 2)),
      });
      add(HAIRPIN, pairOf(addr), undefined);
    });
  }
  for (const count of counts) {
    const name = pickChain(count);
    if (count > 0) chains.set(name, pickChainSpec(family, count));
    add(PICK_CHAINS, hostEndian(count), { verdict: { code: VERDICT_GOTO, chain: name } });
  }
  return { sets, chains, elements };
}

/** Equal for equal data of elements, whether planned or read from the kernel. */
export function identityOf(data: ElementData | undefined): string {
  if (data === undefined) return '';
  return 'value' in data ? hex(data.value) : `${data.verdict.code} ${data.verdict.chain}`;
}

/** The bytes in hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

function pairOf(addr: Addr): Uint8Array {
  const bytes = addr.toBytes();
  return Uint8Array.of(...bytes, ...bytes);
}

/** A field of a concatenated key: network byte order, padded to the register's 4 bytes. */
function field(value: number, lengthBytes: 1 | 2): number[] {
  return lengthBytes === 1 ? [value, 0, 0, 0] : [value >> 8, value & 255, 0, 0];
}

function hostEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
