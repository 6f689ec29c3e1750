import { CNI_CODE, CniError } from './error.ts';
import type { Dns, Result, ResultInterface, ResultIp, ResultRoute } from './result.ts';
import { atLeast, type SpecVersion } from './version.ts';

type Json = Record<string, unknown>;

/**
 * The result as the JSON value of one version. What a version has no word for is left out. Throws
 * CniError where a version before 0.3.0 is to tell of an attachment without addresses, which it can't.
 */
export function encodeResult(result: Result, version: SpecVersion): Json {
  return atLeast(version, '0.3.0')
    ? encodeCurrent(result, version)
    : encodeByFamily(result, version);
}

function encodeCurrent({ interfaces, ips, routes, dns }: Result, version: SpecVersion): Json {
  const has1 = atLeast(version, '1.0.0');
  const words = encodeDns(dns);
  return {
    cniVersion: version,
    ...(interfaces.length === 0
      ? {}
      : { interfaces: interfaces.map((each) => encodeInterface(each, has1)) }),
    ...(ips.length === 0 ? {} : { ips: ips.map((each) => encodeIp(each, has1)) }),
    ...(routes.length === 0 ? {} : { routes: routes.map(encodeRoute) }),
    // Old readers expect it to be there.
    ...(has1 && Object.keys(words).length === 0 ? {} : { dns: words }),
  };
}

function encodeInterface(
  { name, mac, mtu, sandbox, socketPath, pciID }: ResultInterface,
  has1: boolean,
): Json {
  return {
    name,
    ...(mac === '' ? {} : { mac }),
    ...defined({ sandbox }),
    ...(has1 ? defined({ mtu, socketPath, pciID }) : {}),
  };
}

function encodeIp({ address, gateway, interface: index }: ResultIp, has1: boolean): Json {
  return {
    ...(has1 ? {} : { version: `${address.addr.family}` }),
    ...defined({ interface: index }),
    address: `${address}`,
    ...(gateway === undefined ? {} : { gateway: `${gateway}` }),
  };
}

/**
 * What 1.1.0 brought is written for all since 0.3.0, as the reference does: an IPAM plugin's metric
 * must get through a configuration of an older version.
 */
function encodeRoute({ dst, gw, ...more }: ResultRoute): Json {
  return { ...encodeOldRoute({ dst, gw }), ...defined(more) };
}

function encodeOldRoute({ dst, gw }: Pick<ResultRoute, 'dst' | 'gw'>): Json {
  return { dst: `${dst}`, ...(gw === undefined ? {} : { gw: `${gw}` }) };
}

/** Before 0.3.0: the first address of each family and the family's routes. */
function encodeByFamily({ ips, routes, dns }: Result, version: SpecVersion): Json {
  if (ips.length === 0) {
    throw new CniError(CNI_CODE.internal, 'cannot convert: no valid IP addresses');
  }
  const ofFamily = (family: 4 | 6): Json => {
    const first = ips.find(({ address }) => address.addr.family === family);
    if (first === undefined) return {};
    const own = routes.filter(({ dst }) => dst.addr.family === family);
    return {
      [`ip${family}`]: {
        ip: `${first.address}`,
        ...(first.gateway === undefined ? {} : { gateway: `${first.gateway}` }),
        ...(own.length === 0 ? {} : { routes: own.map(encodeOldRoute) }),
      },
    };
  };
  return { cniVersion: version, ...ofFamily(4), ...ofFamily(6), dns: encodeDns(dns) };
}

/** An empty list says as much as none. */
function encodeDns(dns: Dns): Json {
  const { nameservers = [], domain = '', search = [], options = [] } = dns;
  const all = { nameservers, domain, search, options };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value.length > 0));
}

function defined(values: Json): Json {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
