import { Addr } from '../../ipaddr/addr.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import type { Attributes } from '../attribute.ts';
import type { entryCommandAttributes } from './attributes.ts';
import { IpsetValueError } from './error.ts';
import { KEY_FIELDS, type KeyField, SET_TYPES, type SetType } from './set-type.ts';

/** An entry of a set. Which of the first fields it has is a matter of the set's type. */
export interface Entry {
  readonly address?: Addr | undefined;
  readonly network?: Prefix | undefined;
  /** IANA protocol number. */
  readonly protocol?: number | undefined;
  readonly port?: number | undefined;
  readonly secondAddress?: Addr | undefined;
  /** The name of a set that is a member of a list. */
  readonly set?: string | undefined;
  /** After this time it goes; 0 is never. In a listing, what is left of it. */
  readonly timeoutSeconds?: number | undefined;
  readonly comment?: string | undefined;
  readonly counters?: { readonly packets: bigint; readonly bytes: bigint } | undefined;
  /** An exception from a larger network in the same set. */
  readonly noMatch?: true | undefined;
}

type WireEntry = NonNullable<Attributes<typeof entryCommandAttributes>['data']>;
type WireAddress = WireEntry['ip'];

const IPSET_FLAG_NOMATCH = 1 << 2;

/** Which set, and of what type. */
export interface SetRef {
  readonly name: string;
  readonly type: SetType;
}

/** The attributes of an entry. Throws IpsetValueError when it has other fields than the type's. */
export function encodeEntry(set: SetRef, entry: Entry): WireEntry {
  const needed: readonly KeyField[] = SET_TYPES[set.type];
  for (const field of KEY_FIELDS) {
    const isThere = entry[field] !== undefined;
    if (isThere === needed.includes(field)) continue;
    const problem = `entry's ${field} is ${isThere ? 'given' : 'missing'}`;
    throw new IpsetValueError(set.name, `${problem}, expected ${needed.join(', ')}`);
  }
  const { address, network, protocol, port, secondAddress, counters } = entry;
  // Of two places the network has the second, and the only one where there is no other.
  const second = address === undefined ? undefined : (secondAddress ?? network?.addr);
  return {
    ip: wireAddress(address ?? network?.addr),
    prefixLength: address === undefined ? network?.bits : undefined,
    port,
    protocol,
    ip2: wireAddress(second),
    prefix2Length: address === undefined ? undefined : network?.bits,
    name: entry.set,
    timeout: entry.timeoutSeconds,
    flags: entry.noMatch === true ? IPSET_FLAG_NOMATCH : undefined,
    packets: counters?.packets,
    bytes: counters?.bytes,
    comment: entry.comment,
  };
}

function wireAddress(address: Addr | undefined): WireAddress {
  if (address === undefined) return undefined;
  return address.family === 4 ? { ipv4: address.toBytes() } : { ipv6: address.toBytes() };
}

/** The entry a listing has. */
export function decodeEntry(type: SetType, wire: WireEntry): Entry {
  const fields: readonly KeyField[] = SET_TYPES[type];
  const [first, second] = [addressOf(wire.ip), addressOf(wire.ip2)];
  const { packets, bytes, flags = 0 } = wire;
  const hasAddress = fields.includes('address');
  const network = hasAddress
    ? networkOf(second, wire.prefix2Length)
    : networkOf(first, wire.prefixLength);
  return {
    address: hasAddress ? first : undefined,
    network: fields.includes('network') ? network : undefined,
    protocol: fields.includes('protocol') ? wire.protocol : undefined,
    port: wire.port,
    secondAddress: fields.includes('secondAddress') ? second : undefined,
    set: wire.name,
    timeoutSeconds: wire.timeout,
    comment: wire.comment,
    counters: packets === undefined || bytes === undefined ? undefined : { packets, bytes },
    noMatch: (flags & IPSET_FLAG_NOMATCH) === 0 ? undefined : true,
  };
}

function addressOf(wire: WireAddress): Addr | undefined {
  const bytes = wire?.ipv4 ?? wire?.ipv6;
  return bytes === undefined ? undefined : Addr.fromBytes(bytes);
}

/** A listing leaves the length of a network out where it is that of one address. */
function networkOf(address: Addr | undefined, bits: number | undefined): Prefix | undefined {
  return address === undefined ? undefined : Prefix.of(address, bits ?? address.bits);
}
