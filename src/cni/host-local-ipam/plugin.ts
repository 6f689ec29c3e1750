import { existsSync } from 'node:fs';
import type { Addr } from '../../ipaddr/addr.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call, Plugin } from '../protocol/plugin.ts';
import { ipsOf } from '../protocol/result.ts';
import { allocate, checkAvailable } from './allocate.ts';
import { Claims } from './claims.ts';
import {
  checkFamilies,
  parseAllocation,
  parseSets,
  parseSetsForStatus,
  storeDirectory,
} from './config.ts';
import { setContains } from './range-set.ts';
import { checkWritable } from './status.ts';
import { makeDirectory, onDisk, ReservationStore } from './store.ts';

/** The IPAM plugin that gives out addresses of ranges from files on this node. */
export const hostLocal: Plugin = {
  type: 'host-local',
  about: 'host-local (podwire): gives addresses of configured ranges, kept in files on this node',

  add(call) {
    const { sets, requested, routes, dns } = parseAllocation(call);
    const directory = storeDirectory(call);
    makeDirectory(directory);
    using claims = onDisk(directory, () => Claims.write(directory, call.environment, sets.length));
    const ips = ReservationStore.locked(directory, (store) =>
      allocate(store, claims, sets, requested, call.environment),
    );
    return { interfaces: [], ips, routes, dns };
  },

  del(call) {
    const directory = storeDirectory(call);
    if (existsSync(directory)) {
      ReservationStore.locked(directory, (store) => store.release(call.environment));
    }
    // What ADD refuses was given by nobody; said when nothing can be left of it.
    checkFamilies(call);
  },

  check(call) {
    const directory = storeDirectory(call);
    const { containerId } = call.environment;
    const text = `host-local: Failed to find address added by container ${containerId}`;
    const held = existsSync(directory)
      ? ReservationStore.locked(directory, (store) => store.heldBy(call.environment))
      : [];
    if (held.length === 0) throw new CniError(CNI_CODE.internal, text);
    const lost = givenBefore(call).find((addr) => !held.some((each) => each.equals(addr)));
    if (lost === undefined) return;
    throw new CniError(CNI_CODE.internal, text, `${lost} is not reserved for it`);
  },

  gc(call, valid) {
    const directory = storeDirectory(call);
    if (!existsSync(directory)) return;
    ReservationStore.locked(directory, (store) => store.releaseOthers(valid));
  },

  status(call) {
    const directory = storeDirectory(call);
    checkWritable(directory);
    checkAvailable(ReservationStore.glance(directory), parseSetsForStatus(call));
  },
};

/** The addresses of prevResult that must have come from here: those of the ranges, on this interface. */
function givenBefore(call: Call): Addr[] {
  const { prevResult } = call.config;
  if (prevResult === undefined || prevResult.ips.length === 0) return [];
  const sets = parseSets(call);
  return ipsOf(prevResult, call.environment.ifName)
    .map(({ address }) => address.addr)
    .filter((addr) => sets.some((set) => setContains(set, addr)));
}
