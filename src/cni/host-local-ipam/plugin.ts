import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call, Plugin } from '../protocol/plugin.ts';
import { allocate } from './allocate.ts';
import { parseAllocation, storeDirectory } from './config.ts';
import { ReservationStore } from './store.ts';

/** The IPAM plugin that gives out addresses of ranges from files on this node. */
export const hostLocal: Plugin = {
  type: 'host-local',
  about: 'host-local (podwire): gives addresses of configured ranges, kept in files on this node',

  add(call) {
    const { sets, requested, routes, dns } = parseAllocation(call);
    const ips = ReservationStore.locked(storeDirectory(call), (store) =>
      allocate(store, sets, requested, call.environment),
    );
    return { interfaces: [], ips, routes, dns };
  },

  del(call) {
    const directory = storeDirectory(call);
    if (!existsSync(directory)) return;
    ReservationStore.locked(directory, (store) => store.release(call.environment));
  },

  check(call) {
    const { containerId } = call.environment;
    const held = ReservationStore.locked(storeDirectory(call), (store) =>
      store.heldBy(call.environment),
    );
    if (held.length > 0) return;
    throw new CniError(
      CNI_CODE.internal,
      `host-local: Failed to find address added by container ${containerId}`,
    );
  },

  gc(call, valid) {
    const directory = storeDirectory(call);
    if (!existsSync(directory)) return;
    ReservationStore.locked(directory, (store) => store.releaseOthers(valid));
  },

  status(call) {
    checkWritable(call);
  },
};

/** The nearest directory that exists must let us write. */
function checkWritable(call: Call): void {
  let directory = storeDirectory(call);
  while (!existsSync(directory) && dirname(directory) !== directory) directory = dirname(directory);
  try {
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new CniError(CNI_CODE.notAvailable, `data directory can't be written: ${String(error)}`);
  }
}
