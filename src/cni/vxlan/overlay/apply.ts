import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { netlinkErrno } from '../../../netlink/error.ts';
import { addrAdd, addrDel, addrList } from '../../../netlink/route/addr.ts';
import type { RouteConnection } from '../../../netlink/route/connection.ts';
import { fdbAdd, fdbDel, fdbList, fdbReplace } from '../../../netlink/route/fdb.ts';
import { type Link, linkByIndex } from '../../../netlink/route/link.ts';
import { neighDel, neighList, neighReplace } from '../../../netlink/route/neigh.ts';
import {
  type Route,
  routeAdd,
  routeDel,
  routeList,
  routeReplace,
  TABLE_MAIN,
} from '../../../netlink/route/route.ts';
import { EEXIST } from '../../../sys/errno.ts';
import { type FileLock, lockFile } from '../../../sys/flock.ts';
import { ensureDevice, findDevice } from './device.ts';
import { type Actual, difference, PROTOCOL_PODWIRE } from './difference.ts';
import { OverlayError } from './error.ts';
import type { Entries, Overlay } from './plan.ts';

/** Not on the namespace itself, which every process of the node may open, and lock. */
const LOCK_PATH = '/run/podwire/vxlan.lock';
/** Others are done within milliseconds, unless they have thousands of peers to write. */
const LOCK_TIMEOUT_MS = 30_000;

const protocol = PROTOCOL_PODWIRE;

/** What the kernel has on the device. */
export function readActual(connection: RouteConnection, { index: linkIndex }: Link): Actual {
  return {
    addresses: addrList(connection, linkIndex),
    neighs: neighList(connection, { linkIndex }),
    fdb: fdbList(connection, { linkIndex }),
    routes: ([4, 6] as const).flatMap((family) =>
      routeList(connection, family, { table: TABLE_MAIN, linkIndex, protocol }),
    ),
  };
}

/**
 * Takes the lock on the machine's overlays. It is to be held from reading what an overlay should be to
 * the end of the work, or an older wish may come after a newer one. Throws LockTimeoutError.
 */
export function lockOverlay(timeoutMs = LOCK_TIMEOUT_MS): FileLock {
  mkdirSync(dirname(LOCK_PATH), { recursive: true, mode: 0o755 });
  return lockFile(LOCK_PATH, { timeoutMs });
}

/**
 * Makes the overlay of the namespace the thread is in what it should be: makes or mends the device,
 * adds what is missing and removes what is stale. What others made stays. The caller holds the lock.
 * Gives the device. Throws OverlayError where something of others is in the way, and NetlinkError.
 */
export function reconcileOverlay(connection: RouteConnection, overlay: Overlay): Link {
  const link = ensureDevice(connection, overlay.device);
  const { missing, stale } = difference(overlay.entries, readActual(connection, link));
  // Before the new ones, for they may be in their way.
  removeEntries(connection, link, stale);
  addEntries(connection, link, missing);
  return link;
}

/**
 * Removes what leads to nodes that left, and nothing else: the device and its addresses stay, for what
 * should be in their place is not made here. The caller holds the lock.
 */
export function pruneOverlay(connection: RouteConnection, { device, entries }: Overlay): void {
  const link = findDevice(connection, device);
  if (link === undefined) return;
  const { stale } = difference(entries, readActual(connection, link));
  removeEntries(connection, link, { ...stale, addresses: [] });
}

/** A packet that has a route finds the rest there. */
function addEntries(connection: RouteConnection, link: Link, missing: Entries): void {
  const linkIndex = link.index;
  for (const prefix of missing.addresses) {
    addrAdd(connection, linkIndex, prefix, { noDad: true, protocol });
  }
  for (const { dst, mac: lladdr } of missing.neighs) {
    neighReplace(connection, { linkIndex, dst, lladdr, protocol });
  }
  for (const { mac, endpoint: dst } of missing.fdb) {
    const entry = { linkIndex, mac, dst, externLearn: true };
    if (fdbAdd(connection, entry)) continue;
    // Replaced, one that was made by hand would keep its flags, and not be known as ours.
    fdbDel(connection, { linkIndex, mac });
    fdbReplace(connection, entry);
  }
  for (const { dst, gateway } of missing.routes) {
    ensureRoute(connection, { dst, gateway, linkIndex, onlink: true, protocol });
  }
}

function removeEntries(connection: RouteConnection, link: Link, stale: Actual): void {
  for (const route of stale.routes) routeDel(connection, route);
  for (const entry of stale.fdb) fdbDel(connection, entry);
  for (const neigh of stale.neighs) neighDel(connection, neigh);
  for (const { prefix } of stale.addresses) addrDel(connection, link.index, prefix);
}

/** Replacing without a look could take a route of others. */
function ensureRoute(connection: RouteConnection, route: Route): void {
  try {
    routeAdd(connection, route);
  } catch (error) {
    if (netlinkErrno(error) !== EEXIST) throw error;
    const { dst } = route;
    const other = routeList(connection, dst.addr.family, { table: TABLE_MAIN }).find((each) =>
      each.dst.equals(dst),
    );
    if (other !== undefined && other.linkIndex !== route.linkIndex) {
      const index = other.linkIndex ?? 0;
      const name = linkByIndex(connection, index)?.name ?? `link ${index}`;
      const who = `by protocol ${other.protocol}`;
      throw new OverlayError(`route ${dst} already exists, on "${name}" ${who}`);
    }
    routeReplace(connection, route);
  }
}
