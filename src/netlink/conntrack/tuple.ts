import { Addr } from '../../ipaddr/addr.ts';
import { type Attributes, DecodeError } from '../attribute.ts';
import type { tupleAttributes } from './attributes.ts';

/** IANA protocol numbers whose tuples have an identifier instead of ports. */
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;

/** What ICMP has in the place of ports: the fields of its query messages (RFC 792, RFC 4443). */
export interface IcmpTuple {
  readonly type: number;
  readonly code: number;
  readonly id: number;
}

/** What packets of one direction of a flow have in common. */
export interface Tuple {
  readonly source: Addr;
  readonly destination: Addr;
  /** IANA protocol number. */
  readonly protocol: number;
  /** The ports, or for GRE its keys; none for protocols that have none. */
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  readonly icmp?: IcmpTuple | undefined;
  /** The zone of this direction alone. */
  readonly zone?: number | undefined;
}

/** Fields that a tuple must have; those that are left out may be anything. */
export type TuplePattern = Partial<Omit<Tuple, 'icmp'>>;

type WireTuple = Attributes<typeof tupleAttributes>;

/** The attributes of a tuple, or of the fields of it that there are. */
export function encodeTuple(tuple: Partial<Tuple>): WireTuple {
  const { source, destination, protocol, zone } = tuple;
  return {
    ip:
      source === undefined && destination === undefined
        ? undefined
        : {
            source4: source?.family === 4 ? source.toBytes() : undefined,
            destination4: destination?.family === 4 ? destination.toBytes() : undefined,
            source6: source?.family === 6 ? source.toBytes() : undefined,
            destination6: destination?.family === 6 ? destination.toBytes() : undefined,
          },
    protocol: protocol === undefined ? undefined : encodeProtocol(protocol, tuple),
    zone,
  };
}

function encodeProtocol(number: number, tuple: Partial<Tuple>): WireTuple['protocol'] {
  const { sourcePort, destinationPort, icmp } = tuple;
  if (number === IPPROTO_ICMPV6) {
    return { number, icmp6Id: icmp?.id, icmp6Type: icmp?.type, icmp6Code: icmp?.code };
  }
  if (number === IPPROTO_ICMP) {
    return { number, icmpId: icmp?.id, icmpType: icmp?.type, icmpCode: icmp?.code };
  }
  return { number, sourcePort, destinationPort };
}

/** The tuple of a listing. Throws DecodeError without both addresses and the protocol. */
export function decodeTuple(name: string, wire: WireTuple | undefined): Tuple {
  const source = wire?.ip?.source4 ?? wire?.ip?.source6;
  const destination = wire?.ip?.destination4 ?? wire?.ip?.destination6;
  const { number, sourcePort, destinationPort, ...rest } = wire?.protocol ?? {};
  if (source === undefined || destination === undefined || number === undefined) {
    throw new DecodeError(name, 'without addresses or protocol');
  }
  const id = rest.icmpId ?? rest.icmp6Id;
  const icmp =
    id === undefined
      ? undefined
      : {
          type: rest.icmpType ?? rest.icmp6Type ?? 0,
          code: rest.icmpCode ?? rest.icmp6Code ?? 0,
          id,
        };
  return {
    source: Addr.fromBytes(source),
    destination: Addr.fromBytes(destination),
    protocol: number,
    sourcePort,
    destinationPort,
    icmp,
    zone: wire?.zone,
  };
}

/** Whether a tuple has all fields of a pattern. */
export function tupleMatches(pattern: TuplePattern, tuple: Tuple): boolean {
  const { source, destination, protocol, sourcePort, destinationPort, zone } = pattern;
  return (
    (source === undefined || source.equals(tuple.source)) &&
    (destination === undefined || destination.equals(tuple.destination)) &&
    (protocol === undefined || protocol === tuple.protocol) &&
    (sourcePort === undefined || sourcePort === tuple.sourcePort) &&
    (destinationPort === undefined || destinationPort === tuple.destinationPort) &&
    (zone === undefined || zone === (tuple.zone ?? 0))
  );
}
