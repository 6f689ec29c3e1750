import type { Addr } from '../../ipaddr/addr.ts';
import type { Attributes } from '../attribute.ts';
import { bitsOf, namesOf } from '../flags.ts';
import { ADDRESS_FAMILY, addressOf, familyOf, wireAddress } from './address.ts';
import type { serviceAttributes } from './attributes.ts';
import { decodeStatistics, type Statistics } from './statistics.ts';

/** Which service: an address with protocol and port, or all packets with a mark. */
export type ServiceKey =
  | {
      readonly address: Addr;
      /** IANA protocol number: 6, 17 or 132. */
      readonly protocol: number;
      /** 0 is every port; such a service must be persistent. */
      readonly port: number;
    }
  | { readonly family: 4 | 6; readonly mark: number };

/**
 * IP_VS_SVC_F_* that are a choice (linux/ip_vs.h). The meaning of `flag-1` and the like is up to the
 * scheduler: for `sh` and `mh` they are fallback and port.
 */
const SERVICE_FLAG = { ops: 0x4, 'flag-1': 0x8, 'flag-2': 0x10, 'flag-3': 0x20 } as const;
const IP_VS_SVC_F_PERSISTENT = 0x1;
/** The bits that may be changed; the kernel keeps one of its own among the others. */
const CHOICES =
  IP_VS_SVC_F_PERSISTENT | bitsOf(SERVICE_FLAG, ['ops', 'flag-1', 'flag-2', 'flag-3']);

/** What is the same for all connections of a service. */
export interface ServiceOptions {
  /** By its name, such as `rr`, `wlc`, `sh` or `mh`. */
  readonly scheduler: string;
  readonly flags?: readonly (keyof typeof SERVICE_FLAG)[] | undefined;
  /** A client, or with fewer bits its network, stays with its destination for that time. */
  readonly persistence?:
    | { readonly timeoutSeconds: number; readonly clientBits?: number | undefined }
    | undefined;
  /** What tells clients apart otherwise, such as `sip`. */
  readonly persistenceEngine?: string | undefined;
}

/** A service as it is made. */
export type ServiceSpec = ServiceKey & ServiceOptions;

/** A service as the kernel has it. */
export type Service = ServiceSpec & { readonly statistics: Statistics };

type WireService = Attributes<typeof serviceAttributes>;

/** The family of a service. */
export function serviceFamily(service: ServiceKey): 4 | 6 {
  return 'mark' in service ? service.family : service.address.family;
}

/** The attributes that say which service. */
export function encodeServiceKey(service: ServiceKey): WireService {
  const family = ADDRESS_FAMILY[serviceFamily(service)];
  if ('mark' in service) return { family, mark: service.mark };
  const { address, protocol, port } = service;
  return { family, protocol, address: wireAddress(address), port };
}

/** The attributes that make or change a service. */
export function encodeService(service: ServiceSpec): WireService {
  const { scheduler, flags = [], persistence, persistenceEngine } = service;
  const persistent = persistence === undefined ? 0 : IP_VS_SVC_F_PERSISTENT;
  return {
    ...encodeServiceKey(service),
    scheduler,
    flags: { flags: persistent | bitsOf(SERVICE_FLAG, flags), mask: CHOICES },
    timeout: persistence?.timeoutSeconds ?? 0,
    netmask: encodeNetmask(serviceFamily(service), persistence?.clientBits),
    persistenceEngine,
  };
}

/** The service a message tells of. Throws DecodeError. */
export function decodeService(wire: WireService): Service {
  const family = familyOf(wire.family);
  const { mark, address, protocol = 0, port = 0, scheduler = '', timeout = 0 } = wire;
  const bits = wire.flags?.flags ?? 0;
  const flags = namesOf(SERVICE_FLAG, bits);
  const key: ServiceKey =
    mark === undefined ? { address: addressOf(family, address), protocol, port } : { family, mark };
  const persistent = (bits & IP_VS_SVC_F_PERSISTENT) !== 0;
  return {
    ...key,
    scheduler,
    flags: flags.length === 0 ? undefined : flags,
    persistence: persistent
      ? { timeoutSeconds: timeout, clientBits: decodeNetmask(family, wire.netmask) }
      : undefined,
    persistenceEngine: wire.persistenceEngine,
    statistics: decodeStatistics(wire.statistics),
  };
}

const ALL_BITS = { 4: 32, 6: 128 } as const;

function encodeNetmask(family: 4 | 6, clientBits: number = ALL_BITS[family]): Uint8Array {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  if (family === 6) view.setUint32(0, clientBits, true);
  else view.setUint32(0, clientBits === 0 ? 0 : -1 << (32 - clientBits));
  return bytes;
}

/** The bits of a client that count; undefined where all do. */
function decodeNetmask(family: 4 | 6, wire: Uint8Array | undefined): number | undefined {
  if (wire === undefined || wire.length < 4) return undefined;
  const view = new DataView(wire.buffer, wire.byteOffset);
  // A mask has its ones in front, so there are as many as there are not zeros behind.
  const bits = family === 6 ? view.getUint32(0, true) : Math.clz32(~view.getUint32(0));
  return bits === ALL_BITS[family] ? undefined : bits;
}
