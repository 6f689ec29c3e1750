import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';

/** Addresses of a subnet that may be given out, both ends included, but for the gateway. */
export interface AddrRange {
  readonly subnet: Prefix;
  readonly start: Addr;
  readonly end: Addr;
  readonly gateway: Addr;
}

/** Alternatives: an ADD gets one address of the whole set. */
export type RangeSet = readonly AddrRange[];

/** Reads one range with the defaults of the reference plugin. Throws CniError. */
export function parseRange(fields: Fields): AddrRange {
  const subnet = fields.prefix('subnet');
  if (subnet === undefined)
    throw fields.wrong('subnet', 'an IP prefix', fields.value('subnet') ?? '');
  const { addr, bits } = subnet;
  const network = subnet.first();
  if (bits > addr.bits - 2) throw invalid(`Network ${subnet} too small to allocate from`);
  if (!network.equals(addr)) {
    throw invalid(
      `Network has host bits set. For a subnet mask of length ${bits} the network address is ${network}`,
    );
  }
  const first = after(network);
  // The last address of an IPv4 subnet is its broadcast address; IPv6 has none.
  const last = addr.family === 4 ? (subnet.last().prev() ?? first) : subnet.last();
  const gateway = fields.addr('gateway') ?? first;
  const start = fields.addr('rangeStart') ?? first;
  const end = fields.addr('rangeEnd') ?? last;
  if (!subnet.contains(start)) throw invalid(`RangeStart ${start} not in network ${subnet}`);
  if (!subnet.contains(end)) throw invalid(`RangeEnd ${end} not in network ${subnet}`);
  if (start.compare(end) > 0) throw invalid(`RangeStart ${start} not in network ${subnet}`);
  return { subnet, start, end, gateway };
}

/** Checks that a set has ranges, of one family, that do not overlap. Throws CniError. */
export function checkRangeSet(set: RangeSet): RangeSet {
  const [first] = set;
  if (first === undefined) throw invalid('empty range set');
  set.forEach((range, index) => {
    if (range.subnet.addr.family !== first.subnet.addr.family) {
      throw invalid('mixed address families');
    }
    for (const other of set.slice(0, index)) {
      if (overlap(range, other)) {
        throw invalid(
          `subnets ${other.start}-${other.end} and ${range.start}-${range.end} overlap`,
        );
      }
    }
  });
  return set;
}

/** Checks that no address is in two sets. Throws CniError. */
export function checkDisjoint(sets: readonly RangeSet[]): void {
  sets.forEach((set, index) => {
    sets.slice(0, index).forEach((other, at) => {
      if (set.some((a) => other.some((b) => overlap(a, b)))) {
        throw invalid(`range set ${at} overlaps with ${index}`);
      }
    });
  });
}

/** Whether the address may be given out by the set, the gateway left aside. */
export function setContains(set: RangeSet, addr: Addr): boolean {
  return set.some((range) => rangeContains(range, addr));
}

/** Whether the address lies between the range's ends. */
export function rangeContains({ start, end }: AddrRange, addr: Addr): boolean {
  return addr.family === start.family && start.compare(addr) <= 0 && addr.compare(end) <= 0;
}

/** `a-b,c-d`. */
export function formatSet(set: RangeSet): string {
  return set.map(({ start, end }) => `${start}-${end}`).join(',');
}

function overlap(a: AddrRange, b: AddrRange): boolean {
  if (a.start.family !== b.start.family) return false;
  return a.start.compare(b.end) <= 0 && b.start.compare(a.end) <= 0;
}

function after(addr: Addr): Addr {
  const next = addr.next();
  if (next === undefined) throw invalid(`no address after ${addr}`);
  return next;
}

function invalid(message: string): CniError {
  return new CniError(CNI_CODE.invalidConfig, message);
}
