import type { Mac } from '../../ipaddr/mac.ts';
import type { Link, LinkSpec } from '../../netlink/route/link.ts';
import { hasIpam } from '../protocol/delegate.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns, Result } from '../protocol/result.ts';
import { decodeDns } from '../protocol/result-decode.ts';

/** What a link of the kind is made with. */
export type KindSettings =
  | Pick<Extract<LinkSpec, { kind: 'macvlan' }>, 'kind' | 'macvlan'>
  | Pick<Extract<LinkSpec, { kind: 'ipvlan' }>, 'kind' | 'ipvlan'>;

/** What the plugin of a kind adds. */
export interface Sublink {
  readonly settings: KindSettings;
  /** The pod's MAC address, or the kernel's choice. */
  readonly mac?: Mac | undefined;
  /** The link below when the configuration names none; without it that of the default route. */
  readonly master?: string | undefined;
  /** Addresses and routes of the plugin before, which hold where there is no IPAM. */
  readonly chained?: Result | undefined;
  /** Holds a link of the kind against the settings. Throws CniError. */
  check(link: Link): void;
}

/** The fields of both plugins. */
export interface SublinkConfig extends Sublink {
  /** The name of the link below, where the configuration says it. */
  readonly namedMaster: string | undefined;
  /** It is in the pod, not on the host. */
  readonly linkInContainer: boolean;
  readonly mtu: number | undefined;
  /** Duplicate address detection for IPv6; it costs one to two seconds. */
  readonly enabledad: boolean;
  /** Replaces what IPAM says when it says anything. */
  readonly dns: Dns | undefined;
  /** Without IPAM the pod gets an interface and no address. */
  readonly hasIpam: boolean;
}

/** Reads the configuration. Throws CniError. */
export function parseSublinkConfig(call: Call, sublink: Sublink): SublinkConfig {
  const { fields } = call.config;
  const mtu = fields.integer('mtu');
  if (mtu !== undefined && mtu < 0) throw fields.wrong('mtu', 'a size in bytes', mtu);
  const dns = decodeDns(fields.object('dns'));
  return {
    ...sublink,
    namedMaster: fields.string('master') || undefined,
    linkInContainer: fields.boolean('linkInContainer'),
    mtu: mtu || undefined,
    enabledad: fields.boolean('enabledad'),
    dns: Object.keys(dns).length === 0 ? undefined : dns,
    hasIpam: hasIpam(call),
  };
}

/** The refusal of a mode that the kind does not have. */
export function unknownMode(kind: string, mode: string): CniError {
  return new CniError(CNI_CODE.invalidConfig, `unknown ${kind} mode: ${JSON.stringify(mode)}`);
}
