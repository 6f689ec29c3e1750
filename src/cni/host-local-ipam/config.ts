import { join } from 'node:path';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { tryParsePrefix } from '../../ipaddr/prefix.ts';
import { parseArgs } from '../protocol/args.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
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
  checkVersion(call, sets);
  const resolvConf = ipam.string('resolvConf');
  return {
    sets,
    requested: requestedAddrs(call, runtime),
    routes: decodeRoutes(ipam),
    dns: resolvConf === undefined || resolvConf === '' ? {} : readResolvConf(resolvConf),
  };
}

/** Before 0.3.0 a result has no room for a second address of a family. */
function checkVersion({ config: { version } }: Call, sets: readonly RangeSet[]): void {
  if (atLeast(version, '0.3.0')) return;
  const families = sets.map(([first]) => first?.subnet.addr.family);
  if (new Set(families).size === families.length) return;
  throw new CniError(
    CNI_CODE.invalidConfig,
    `CNI version ${version} does not support more than 1 address per family`,
  );
}

function ipamFields(call: Call): Fields {
  const ipam = call.config.fields.object('ipam');
  if (ipam === undefined) {
    throw new CniError(CNI_CODE.invalidConfig, "IPAM config missing 'ipam' key");
  }
  return ipam;
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
function requestedAddrs(call: Call, runtime: Fields | undefined): Addr[] {
  const args = parseArgs(call.environment.args, ['IP', 'MAC', 'GATEWAY']);
  const texts = [
    ...(args.get('IP')?.split(',') ?? []),
    ...(call.config.fields.object('args')?.object('cni')?.strings('ips') ?? []),
    ...(runtime?.strings('ips') ?? []),
  ];
  return texts.map((text) => {
    const addr = text.includes('/') ? tryParsePrefix(text)?.addr : tryParseAddr(text);
    if (addr === undefined) {
      throw new CniError(
        CNI_CODE.invalidConfig,
        `requested IP: expected an IP address, got "${text}"`,
      );
    }
    return addr;
  });
}
