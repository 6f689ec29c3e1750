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
import { atLeast } from '../protocol/version.ts';
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
  const ipam = ipamFields(call);
  const sets = parseSets(call);
  if (sets.length === 0) throw noRanges();
  return {
    sets,
    requested: requestedAddrs(call),
    routes: decodeRoutes(ipam),
    dns: readResolvConf(ipam),
  };
}

/** The range sets, those of the runtime first, and none where none is said. Throws CniError. */
export function parseSets(call: Call): RangeSet[] {
  const sets = setLists(call).map(parseRangeSet);
  checkDisjoint(sets);
  checkOnePerFamily(
    call.config.version,
    sets.flatMap(([first]) => first?.subnet.addr.family ?? []),
  );
  return sets;
}

/** As parseSets, when no pod is at hand: a runtime that has ranges of its own says so with ADD. */
export function parseSetsForStatus(call: Call): RangeSet[] {
  const sets = parseSets(call);
  const mayCome = call.config.fields.object('capabilities')?.boolean('ipRanges') === true;
  if (sets.length === 0 && !mayCome) throw noRanges();
  return sets;
}

/** Throws CniError for two sets of a family in a version without room for them. All else may be wrong. */
export function checkFamilies(call: Call): void {
  const { version } = call.config;
  if (atLeast(version, '0.3.0')) return;
  const subnets = setLists(call).map(([first]) => first?.prefix('subnet'));
  checkOnePerFamily(
    version,
    subnets.flatMap((subnet) => subnet?.addr.family ?? []),
  );
}

function setLists(call: Call): Fields[][] {
  const ipam = ipamFields(call);
  return [
    ...rangeLists(call.config.fields.object('runtimeConfig'), 'ipRanges'),
    // The older way to give one range stands in `ipam` itself.
    ...(ipam.value('subnet') === undefined ? [] : [[ipam]]),
    ...rangeLists(ipam, 'ranges'),
  ];
}

function noRanges(): CniError {
  const details = 'ipam.ranges: expected at least one set of ranges, or ipam.subnet';
  return new CniError(CNI_CODE.invalidConfig, 'no IP ranges specified', details);
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

/** Addresses asked for in CNI_ARGS, args.cni.ips and runtimeConfig.ips, with or without a length. */
function requestedAddrs(call: Call): Addr[] {
  const { env, args, runtime } = requestedIps(call);
  const places = [
    ...(env?.split(',') ?? []).map((text) => ['IP of CNI_ARGS', text] as const),
    ...args.map((text, index) => [`args.cni.ips[${index}]`, text] as const),
    ...runtime.map((text, index) => [`runtimeConfig.ips[${index}]`, text] as const),
  ];
  const addrs = places.map(([place, text]) => {
    const addr = text.includes('/') ? tryParsePrefix(text)?.addr : tryParseAddr(text);
    if (addr !== undefined) return addr;
    const got = JSON.stringify(text);
    throw new CniError(CNI_CODE.invalidConfig, `${place}: expected an IP address, got ${got}`);
  });
  // Two that ask for the same one ask for one.
  return [...new Map(addrs.map((addr) => [`${addr}`, addr])).values()];
}
