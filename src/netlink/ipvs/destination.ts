import type { Addr } from '../../ipaddr/addr.ts';
import type { Attributes } from '../attribute.ts';
import { ADDRESS_FAMILY, addressOf, familyOf, wireAddress } from './address.ts';
import type { destinationAttributes } from './attributes.ts';
import { decodeStatistics, type Statistics } from './statistics.ts';

/** IP_VS_CONN_F_* of how packets go on (linux/ip_vs.h). */
const FORWARDING = { masquerade: 0, local: 1, tunnel: 2, route: 3, bypass: 4 } as const;
const IP_VS_CONN_F_FWD_MASK = 0x7;

/** How packets go on to a destination. */
export type Forwarding = keyof typeof FORWARDING;

/** IP_VS_CONN_F_TUNNEL_TYPE_*. */
const TUNNEL_TYPE = { ipip: 0, gue: 1, gre: 2 } as const;
/** IP_VS_TUNNEL_ENCAP_FLAG_*. */
const TUNNEL_CHECKSUM = { none: 0, checksum: 1, remote: 2 } as const;

/** Which destination of a service. */
export interface DestinationKey {
  readonly address: Addr;
  readonly port: number;
}

/** A destination as it is made. */
export interface DestinationSpec extends DestinationKey {
  /** With 0 it gets no new connections and keeps those it has. */
  readonly weight: number;
  /** Without it `masquerade`. The kernel makes `local` of an address of its own. */
  readonly forwarding?: Forwarding | undefined;
  /** With so many connections it gets no new ones, until there are fewer than the lower. */
  readonly thresholds?: { readonly upper: number; readonly lower: number } | undefined;
  /** What forwarding by `tunnel` wraps packets in; without it `ipip`. Since Linux 5.3. */
  readonly tunnel?:
    | {
        readonly type: keyof typeof TUNNEL_TYPE;
        /** The UDP port of `gue`. */
        readonly port?: number | undefined;
        readonly checksum?: keyof typeof TUNNEL_CHECKSUM | undefined;
      }
    | undefined;
}

/** A destination as the kernel has it. */
export interface Destination extends DestinationSpec {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly statistics: Statistics;
}

type WireDestination = Attributes<typeof destinationAttributes>;

/** The attributes that say which destination. */
export function encodeDestinationKey({ address, port }: DestinationKey): WireDestination {
  return { address: wireAddress(address), port, family: ADDRESS_FAMILY[address.family] };
}

/** The attributes that make or change a destination. */
export function encodeDestination(destination: DestinationSpec): WireDestination {
  const { weight, forwarding = 'masquerade', thresholds, tunnel } = destination;
  return {
    ...encodeDestinationKey(destination),
    forwarding: FORWARDING[forwarding],
    weight,
    upperThreshold: thresholds?.upper ?? 0,
    lowerThreshold: thresholds?.lower ?? 0,
    tunnelType: tunnel === undefined ? undefined : TUNNEL_TYPE[tunnel.type],
    tunnelPort: tunnel === undefined ? undefined : (tunnel.port ?? 0),
    tunnelFlags: tunnel === undefined ? undefined : TUNNEL_CHECKSUM[tunnel.checksum ?? 'none'],
  };
}

/** The destination a message tells of; `family` is the service's. Throws DecodeError. */
export function decodeDestination(family: 4 | 6, wire: WireDestination): Destination {
  const { upperThreshold: upper = 0, lowerThreshold: lower = 0, forwarding: flags = 0 } = wire;
  const own = wire.family === undefined ? family : familyOf(wire.family);
  const forwarding = nameOf(FORWARDING, flags & IP_VS_CONN_F_FWD_MASK, 'masquerade');
  return {
    address: addressOf(own, wire.address),
    port: wire.port ?? 0,
    weight: wire.weight ?? 0,
    forwarding,
    thresholds: upper === 0 && lower === 0 ? undefined : { upper, lower },
    tunnel: forwarding === 'tunnel' ? decodeTunnel(wire) : undefined,
    activeConnections: wire.activeConnections ?? 0,
    inactiveConnections: wire.inactiveConnections ?? 0,
    persistentConnections: wire.persistentConnections ?? 0,
    statistics: decodeStatistics(wire.statistics),
  };
}

function decodeTunnel(wire: WireDestination): Destination['tunnel'] {
  const type = nameOf(TUNNEL_TYPE, wire.tunnelType ?? 0, 'ipip');
  const checksum = nameOf(TUNNEL_CHECKSUM, wire.tunnelFlags ?? 0, 'none');
  return { type, port: type === 'gue' ? wire.tunnelPort : undefined, checksum };
}

function nameOf<K extends string>(
  table: Readonly<Record<K, number>>,
  number: number,
  otherwise: NoInfer<K>,
): K {
  const names = Object.keys(table) as K[];
  return names.find((name) => table[name] === number) ?? otherwise;
}
