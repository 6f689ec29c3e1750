import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import type { Fields } from './fields.ts';
import { atLeast, type SpecVersion } from './version.ts';

/** An interface a plugin made or used; without `sandbox` it is on the host. */
export interface ResultInterface {
  readonly name: string;
  readonly mac: string;
  /** Since 1.1.0. */
  readonly mtu?: number | undefined;
  /** Path of the network namespace it is in. */
  readonly sandbox?: string | undefined;
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

/** Reads a result of any version podwire speaks. Throws CniError. */
export function decodeResult(fields: Fields): Result {
  return {
    interfaces: fields.objects('interfaces').map((item) => ({
      name: item.string('name') ?? '',
      mac: item.string('mac') ?? '',
      mtu: item.integer('mtu'),
      sandbox: item.string('sandbox') || undefined,
    })),
    ips: fields.objects('ips').map((item) => {
      const address = item.prefix('address');
      if (address === undefined) throw item.wrong('address', 'an address and prefix length', '');
      return { address, gateway: item.addr('gateway'), interface: item.integer('interface') };
    }),
    routes: decodeRoutes(fields),
    dns: decodeDns(fields.object('dns')),
  };
}

/** Reads `routes` of a result or of an IPAM configuration. Throws CniError. */
export function decodeRoutes(fields: Fields): ResultRoute[] {
  return fields.objects('routes').map((item) => {
    const dst = item.prefix('dst');
    if (dst === undefined) throw item.wrong('dst', 'an IP prefix', '');
    return {
      dst,
      gw: item.addr('gw'),
      mtu: item.integer('mtu'),
      advmss: item.integer('advmss'),
      priority: item.integer('priority'),
      table: item.integer('table'),
      scope: item.integer('scope'),
    };
  });
}

/** Reads `dns` of a result or configuration. Throws CniError. */
export function decodeDns(fields: Fields | undefined): Dns {
  if (fields === undefined) return {};
  const domain = fields.string('domain');
  return {
    ...(fields.value('nameservers') === undefined
      ? {}
      : { nameservers: fields.strings('nameservers') }),
    ...(domain === undefined ? {} : { domain }),
    ...(fields.value('search') === undefined ? {} : { search: fields.strings('search') }),
    ...(fields.value('options') === undefined ? {} : { options: fields.strings('options') }),
  };
}

/** The result as the JSON value of one version. What a version does not have is left out. */
export function encodeResult(result: Result, version: SpecVersion): Record<string, unknown> {
  const has1 = atLeast(version, '1.0.0');
  const has11 = atLeast(version, '1.1.0');
  return {
    cniVersion: version,
    ...(result.interfaces.length === 0
      ? {}
      : {
          interfaces: result.interfaces.map(({ name, mac, mtu, sandbox }) => ({
            name,
            ...(mac === '' ? {} : { mac }),
            ...(has11 && mtu !== undefined ? { mtu } : {}),
            ...(sandbox === undefined ? {} : { sandbox }),
          })),
        }),
    ...(result.ips.length === 0
      ? {}
      : {
          ips: result.ips.map((ip) => ({
            ...(has1 ? {} : { version: `${ip.address.addr.family}` }),
            ...(ip.interface === undefined ? {} : { interface: ip.interface }),
            address: `${ip.address}`,
            ...(ip.gateway === undefined ? {} : { gateway: `${ip.gateway}` }),
          })),
        }),
    ...(result.routes.length === 0
      ? {}
      : {
          routes: result.routes.map(({ dst, gw, ...more }) => ({
            dst: `${dst.masked()}`,
            ...(gw === undefined ? {} : { gw: `${gw}` }),
            ...(has11 ? more : {}),
          })),
        }),
    ...(has1 && Object.keys(result.dns).length === 0 ? {} : { dns: result.dns }),
  };
}
