import { CNI_CODE, CniError } from './error.ts';
import type { Fields } from './fields.ts';
import type { Dns, Result, ResultIp, ResultRoute } from './result.ts';
import { atLeast, isSpecVersion, type SpecVersion } from './version.ts';

/**
 * Reads a result in the version it says it is in; one that says nothing is in `version`, that of the
 * configuration it came with. Throws CniError.
 */
export function decodeResult(fields: Fields, version: SpecVersion): Result {
  const own = fields.string('cniVersion') || version;
  if (!isSpecVersion(own)) {
    throw new CniError(CNI_CODE.decode, `unsupported CNI result version ${JSON.stringify(own)}`);
  }
  return atLeast(own, '0.3.0') ? decodeCurrent(fields) : decodeByFamily(fields);
}

function decodeCurrent(fields: Fields): Result {
  return {
    interfaces: fields.objects('interfaces').map((item) => ({
      name: item.string('name') ?? '',
      mac: item.string('mac') ?? '',
      mtu: item.integer('mtu') || undefined,
      sandbox: item.string('sandbox') || undefined,
      socketPath: item.string('socketPath') || undefined,
      pciID: item.string('pciID') || undefined,
    })),
    ips: fields.objects('ips').map((item) => ({
      ...decodeIp(item, 'address'),
      interface: item.integer('interface'),
    })),
    routes: decodeRoutes(fields),
    dns: decodeDns(fields.object('dns')),
  };
}

/** Before 0.3.0 a result has at most one address of each family, with the family's routes. */
function decodeByFamily(fields: Fields): Result {
  const families = ['ip4', 'ip6']
    .map((name) => fields.object(name))
    .filter((each) => each !== undefined);
  return {
    interfaces: [],
    ips: families.map((each) => decodeIp(each, 'ip')),
    routes: families.flatMap(decodeRoutes),
    dns: decodeDns(fields.object('dns')),
  };
}

function decodeIp(item: Fields, name: string): ResultIp {
  const address = item.prefix(name);
  if (address === undefined) throw item.wrong(name, 'an address and prefix length', '');
  return { address, gateway: item.addr('gateway') };
}

/** Reads `routes` of a result or of an IPAM configuration. Throws CniError. */
export function decodeRoutes(fields: Fields): ResultRoute[] {
  return fields.objects('routes').map((item) => {
    const dst = item.prefix('dst');
    if (dst === undefined) throw item.wrong('dst', 'an IP prefix', '');
    const gw = item.addr('gw');
    if (gw !== undefined && gw.family !== dst.addr.family) {
      throw item.wrong('gw', `an address of the family of ${dst}`, `${gw}`);
    }
    return {
      dst,
      gw,
      // 0 is what the reference takes for "not said".
      mtu: unsigned(item, 'mtu') || undefined,
      advmss: unsigned(item, 'advmss') || undefined,
      priority: unsigned(item, 'priority') || undefined,
      table: unsigned(item, 'table'),
      scope: unsigned(item, 'scope', 0xff),
    };
  });
}

function unsigned(item: Fields, name: string, max = 0xffff_ffff): number | undefined {
  const value = item.integer(name);
  if (value !== undefined && (value < 0 || value > max)) {
    throw item.wrong(name, `a number from 0 to ${max}`, value);
  }
  return value;
}

/** Reads `dns` of a result or configuration. Throws CniError. */
export function decodeDns(fields: Fields | undefined): Dns {
  if (fields === undefined) return {};
  const domain = fields.string('domain');
  return {
    ...(fields.value('nameservers') === undefined
      ? {}
      : { nameservers: fields.strings('nameservers') }),
    ...(domain === undefined || domain === '' ? {} : { domain }),
    ...(fields.value('search') === undefined ? {} : { search: fields.strings('search') }),
    ...(fields.value('options') === undefined ? {} : { options: fields.strings('options') }),
  };
}
