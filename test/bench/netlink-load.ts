import { readFileSync } from 'node:fs';
import { Batch } from '../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { Netns } from '../../src/sys/netns.ts';
import { ELEMENT_COUNT, type Element, elementAt, MAP, TABLE } from './netlink-map.ts';

/*
 * A process of its own for `make bench-netlink`: puts the elements into the map in the namespace whose
 * path is its argument, in one transaction, and prints how long that took and how large it got.
 */

/** Elements that exist as objects at one time. */
const PART = 1000;

const [, , path = ''] = process.argv;
using netns = Netns.open(path);
using connection = NftablesConnection.open(netns);
const start = process.hrtime.bigint();
const batch = new Batch(connection);
for (let at = 0; at < ELEMENT_COUNT; at += PART) {
  const part: Element[] = [];
  for (let index = at; index < at + PART; index += 1) part.push(elementAt(index));
  batch.elementsAdd(TABLE, MAP, part);
}
batch.commit();
const ms = Number(process.hrtime.bigint() - start) / 1e6;
process.stdout.write(JSON.stringify({ ms, peakKib: peakKib() }));

/** Not getrusage(2): its ru_maxrss begins with the size of the process that started this one. */
function peakKib(): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (match === null) throw new Error('/proc/self/status has no VmHWM');
  return Number(match[1]);
}
