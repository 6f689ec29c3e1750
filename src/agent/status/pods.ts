import { opendirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkList } from '../../netlink/route/link.ts';
import { LIST_MAX, type PodsStatus, type Reservation } from './status.ts';

/** Where host-local keeps its reservations unless a configuration says otherwise (its `dataDir`). */
export const NETWORKS_DIRECTORY = '/var/lib/cni/networks';
const NETWORKS_MAX = 100;
const FILES_MAX = 20_000;

/**
 * What CNI plugins left on the node, in the namespace the thread is in. A file is a reservation when
 * its name is an address; it holds the container's id and the interface's name in two lines.
 */
export function podsStatus(directory = NETWORKS_DIRECTORY): PodsStatus {
  const errors: string[] = [];
  const reservations: Reservation[] = [];
  let reservationCount = 0;
  for (const network of namesIn(directory, NETWORKS_MAX, errors)) {
    for (const name of namesIn(join(directory, network), FILES_MAX, errors)) {
      if (tryParseAddr(name) === undefined) continue;
      reservationCount += 1;
      if (reservations.length >= LIST_MAX) continue;
      const reservation = reservationOf(join(directory, network, name), network, name);
      // It was given back meanwhile.
      if (reservation === undefined) reservationCount -= 1;
      else reservations.push(reservation);
    }
  }
  return { reservations, reservationCount, attachmentCount: countAttachments(errors), errors };
}

function reservationOf(path: string, network: string, address: string): Reservation | undefined {
  try {
    const [containerId = '', name = ''] = readFileSync(path, 'utf8').split(/\r?\n/);
    return { network, address, containerId: containerId.trim(), interface: name.trim() };
  } catch {
    return undefined;
  }
}

/** At most `max` names, sorted; none where there is no such directory. */
function namesIn(directory: string, max: number, errors: string[]): readonly string[] {
  const names: string[] = [];
  try {
    using entries = opendirSync(directory);
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (names.length >= max) {
        errors.push(`${directory}: more than ${max} entries`);
        break;
      }
      names.push(entry.name);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') errors.push(message);
  }
  return names.sort();
}

/** Links with an end in another namespace, as pods have them. */
function countAttachments(errors: string[]): number {
  try {
    using connection = RouteConnection.open();
    return linkList(connection).filter(({ linkNetnsid }) => linkNetnsid !== undefined).length;
  } catch (error) {
    errors.push((error as Error).message);
    return 0;
  }
}
