import type { Addr } from '../../ipaddr/addr.ts';
import { Pool } from '../../ipaddr/pool/pool.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { Range } from '../../ipaddr/range.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Attachment } from '../protocol/plugin.ts';
import type { ResultIp } from '../protocol/result.ts';
import {
  type AddrRange,
  formatSet,
  type RangeSet,
  rangeContains,
  setContains,
} from './range-set.ts';
import type { ReservationStore } from './store.ts';

/**
 * Reserves one address of each range set: those asked for where a set has them, else the first
 * free one after the set's last. All or nothing. Throws CniError.
 */
export function allocate(
  store: ReservationStore,
  sets: readonly RangeSet[],
  requested: readonly Addr[],
  attachment: Attachment,
): ResultIp[] {
  const open = [...requested];
  const [held] = store.heldBy(attachment);
  if (held !== undefined) {
    throw failure(
      0,
      `${held} has been allocated to ${attachment.containerId}, duplicate allocation is not allowed`,
    );
  }
  const given: Addr[] = [];
  try {
    const ips = sets.map((set, index): ResultIp => {
      const at = open.findIndex((addr) => setContains(set, addr));
      const [wanted] = at < 0 ? [] : open.splice(at, 1);
      const addr =
        wanted === undefined ? nextFree(store, set, index) : check(store, set, index, wanted);
      store.reserve(addr, attachment, index);
      given.push(addr);
      const range = rangeOf(set, addr);
      return { address: Prefix.of(addr, range.subnet.bits), gateway: range.gateway };
    });
    if (open.length > 0) {
      throw new CniError(
        CNI_CODE.internal,
        `failed to allocate all requested IPs: ${open.map(String).join(' ')}`,
      );
    }
    return ips;
  } catch (error) {
    for (const addr of given) store.releaseAddr(addr);
    throw error;
  }
}

/** The address asked for, when it may be given. */
function check(store: ReservationStore, set: RangeSet, index: number, addr: Addr): Addr {
  const range = rangeOf(set, addr);
  if (addr.equals(range.gateway)) throw failure(index, `requested ip ${addr} is subnet's gateway`);
  if (store.isReserved(addr)) {
    const text = `requested IP address ${addr} is not available in range set ${formatSet(set)}`;
    throw failure(index, text);
  }
  return addr;
}

/** The first free address after the last one given, round the set once; that one itself comes last. */
function nextFree(store: ReservationStore, set: RangeSet, index: number): Addr {
  const addr = poolOf(store, set).allocateNext(store.lastReserved(index));
  if (addr === undefined) {
    throw failure(index, `no IP addresses available in range set: ${formatSet(set)}`);
  }
  return addr;
}

/** The set without its gateways and what is reserved. A gateway counts in its own range alone. */
function poolOf(store: ReservationStore, set: RangeSet): Pool {
  const pool = Pool.of({
    ranges: set.map(({ start, end }) => Range.of(start, end)),
    exclude: set.filter((range) => rangeContains(range, range.gateway)).map((each) => each.gateway),
  });
  for (const addr of store.reserved()) pool.reserve(addr);
  return pool;
}

function rangeOf(set: RangeSet, addr: Addr): AddrRange {
  const range = set.find((each) => rangeContains(each, addr));
  if (range === undefined) throw new Error(`${addr} is not in ${formatSet(set)}`);
  return range;
}

function failure(index: number, reason: string): CniError {
  return new CniError(CNI_CODE.internal, `failed to allocate for range ${index}: ${reason}`);
}
