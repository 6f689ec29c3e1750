import { join } from 'node:path';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { tryParsePrefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import { checkOnePerFamily, ipamFields, requestedIps } from '../protocol/ipam.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns, ResultRoute } from '../protocol/result.ts';
import { decodeRoutes } from '../protocol/result-decode.ts';
import { checkDisjoint, checkRangeSet, parseRange, type RangeSet } from './range-set.ts';
import { readResolvConf } from './resolv-conf.ts';

const DEFAULT_DATA_DIR = '/var/lib/cni/networks';

/** Where a network's reservations are. */
export function storeDirectory(call: Call): string {
  const dataDir = ipamFields(call).string('dataDir') || DEFAULT_DATA_DIR;
  return join(dataDir, call.config.name);
}

/** What ADD needs to know. */
export interface AllocationConfig {
  readonly sets: readonly RangeSet[];
  /** Addresses asked for by name; each must be given by a set of its own. */
  readonly requested: readonly Addr[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

/** Reads `ipam` and what the runtime adds to it. Throws CniError. */
export function parseAllocation(call: Call): AllocationConfig {
  const { fields } = call.config;
  const ipam = ipamFields(call);
  const runtime = fields.object('runtimeConfig');
  const lists = [
    ...rangeLists(runtime, 'ipRanges'),
    // The older way to give one range stands in `ipam` itself.
    ...(ipam.value('subnet') === undefined ? [] : [[ipam]]),
    ...rangeLists(ipam, 'ranges'),
  ];
  const sets = lists.map(parseRangeSet);
  if (sets.length === 0) {
    throw new CniError(CNI_CODE.invalidConfig, 'no IP ranges specified');
  }
  checkDisjoint(sets);
  checkOnePerFamily(
    call.config.version,
    sets.flatMap(([first]) => first?.subnet.addr.family ?? []),
  );
  const resolvConf = ipam.string('resolvConf');
  return {
    sets,
    requested: requestedAddrs(call),
    routes: decodeRoutes(ipam),
    dns: resolvConf === undefined || resolvConf === '' ? {} : readResolvConf(resolvConf),
  };
}

/** A list of lists of ranges. */
function rangeLists(fields: Fields | undefined, name: string): Fields[][] {
  return (fields?.list(name) ?? []).map((set, index) => {
    if (!Array.isArray(set)) {
      throw (fields as Fields).wrong(`${name}[${index}]`, 'a list of ranges', set);
    }
    // Wrapping the inner list gives its objects their checks and their place in errors.
    return (fields as Fields).nested(`${name}[${index}]`, set);
  });
}

/** The set at `index` of all; an error says which one it is about. */
function parseRangeSet(list: readonly Fields[], index: number): RangeSet {
  try {
    return checkRangeSet(list.map(parseRange));
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw new CniError(
      error.cniCode,
      `invalid range set ${index}: ${error.message}`,
      error.details,
    );
  }
}

/** Addresses asked for in CNI_ARGS, in args.cni.ips and in runtimeConfig.ips, with or without a length. */
function requestedAddrs(call: Call): Addr[] {
  const { env, args, runtime } = requestedIps(call);
  return [...(env?.split(',') ?? []), ...args, ...runtime].map((text) => {
    const addr = text.includes('/') ? tryParsePrefix(text)?.addr : tryParseAddr(text);
    if (addr !== undefined) return addr;
    throw new CniError(
      CNI_CODE.invalidConfig,
      `requested IP: expected an IP address, got "${text}"`,
    );
  });
}
