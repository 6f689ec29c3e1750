import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';

/** An interface a plugin made or used; without `sandbox` it is on the host. */
export interface ResultInterface {
  readonly name: string;
  readonly mac: string;
  /** Since 1.1.0. */
  readonly mtu?: number | undefined;
  /** Path of the network namespace it is in. */
  readonly sandbox?: string | undefined;
  /** Path of a vhost-user or the like; since 1.1.0. */
  readonly socketPath?: string | undefined;
  /** Since 1.1.0. */
  readonly pciID?: string | undefined;
}

/** An address of the attachment. */
export interface ResultIp {
  readonly address: Prefix;
  readonly gateway?: Addr | undefined;
  /** Index into the result's interfaces; 0 and absent are different things. */
  readonly interface?: number | undefined;
}

/** A route of the attachment; all but `dst` and `gw` since 1.1.0. */
export interface ResultRoute {
  readonly dst: Prefix;
  readonly gw?: Addr | undefined;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly priority?: number | undefined;
  readonly table?: number | undefined;
  readonly scope?: number | undefined;
}

/** What a pod's resolver is told. */
export interface Dns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** What ADD gives, whatever the version (CNI specification, section "ADD Success"). */
export interface Result {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

/** What a result says of the addresses of one interface, for others may have joined it. */
export function ipsOf({ interfaces, ips }: Result, ifName: string): ResultIp[] {
  return ips.filter(
    ({ interface: index }) => index === undefined || interfaces[index]?.name === ifName,
  );
}
