import type { Addr } from '../../ipaddr/addr.ts';
import { Pool } from '../../ipaddr/pool/pool.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import { Range } from '../../ipaddr/range.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Attachment } from '../protocol/plugin.ts';
import type { ResultIp } from '../protocol/result.ts';
import type { Claims } from './claims.ts';
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
  claims: Claims,
  sets: readonly RangeSet[],
  requested: readonly Addr[],
  attachment: Attachment,
): ResultIp[] {
  const open = [...requested];
  const held = store.heldBy(attachment);
  using undo = new DisposableStack();
  const ips = sets.map((set, index): ResultIp => {
    const at = open.findIndex((addr) => setContains(set, addr));
    const [wanted] = at < 0 ? [] : open.splice(at, 1);
    if (wanted !== undefined) checkRequested(store, set, index, wanted);
    const own = held.find((addr) => setContains(set, addr));
    if (own !== undefined) {
      const text = `${own} has been allocated to ${attachment.containerId}`;
      throw failure(index, `${text}, duplicate allocation is not allowed`);
    }
    const addr =
      wanted === undefined
        ? reserveNext(store, claims, set, index)
        : reserveRequested(store, claims, set, index, wanted);
    undo.defer(() => store.releaseAddr(addr));
    store.remember(index, addr);
    const range = rangeOf(set, addr);
    return { address: Prefix.of(addr, range.subnet.bits), gateway: range.gateway };
  });
  if (open.length > 0) {
    const text = `failed to allocate all requested IPs: ${open.map(String).join(' ')}`;
    throw new CniError(CNI_CODE.internal, text);
  }
  undo.move();
  return ips;
}

/** Throws CniError, of code 50, when one of the sets has no address left to give. */
export function checkAvailable(store: ReservationStore, sets: readonly RangeSet[]): void {
  sets.forEach((set, index) => {
    if (poolOf(store, set).freeCount === 0n) throw exhausted(set, index, CNI_CODE.notAvailable);
  });
}

/** Throws CniError when the address asked for is not to be had. */
function checkRequested(store: ReservationStore, set: RangeSet, index: number, addr: Addr): void {
  if (addr.equals(rangeOf(set, addr).gateway)) {
    throw failure(index, `requested ip ${addr} is subnet's gateway`);
  }
  if (store.isReserved(addr)) throw taken(set, index, addr);
}

function reserveRequested(
  store: ReservationStore,
  claims: Claims,
  set: RangeSet,
  index: number,
  addr: Addr,
): Addr {
  if (!store.reserve(claims, index, addr)) throw taken(set, index, addr);
  return addr;
}

/** The first free address after the last one given, round the set once; that one itself comes last. */
function reserveNext(store: ReservationStore, claims: Claims, set: RangeSet, index: number): Addr {
  const pool = poolOf(store, set);
  let addr = pool.allocateNext(store.lastReserved(index));
  // Whoever heeds no lock may have been faster; what was tried is not free in the pool any more.
  while (addr !== undefined && !store.reserve(claims, index, addr)) addr = pool.allocateNext(addr);
  if (addr === undefined) throw exhausted(set, index, CNI_CODE.internal);
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

function taken(set: RangeSet, index: number, addr: Addr): CniError {
  const text = `requested IP address ${addr} is not available in range set ${formatSet(set)}`;
  return failure(index, text);
}

function exhausted(set: RangeSet, index: number, code: number): CniError {
  return failure(index, `no IP addresses available in range set: ${formatSet(set)}`, code);
}

function failure(index: number, reason: string, code: number = CNI_CODE.internal): CniError {
  return new CniError(code, `failed to allocate for range ${index}: ${reason}`);
}
