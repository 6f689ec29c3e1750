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
  const bitsMax = addr.bits - 2;
  if (bits > bitsMax) {
    const expected = `a prefix of at most ${bitsMax} bits`;
    throw invalid(`Network ${subnet} too small to allocate from`, fields, 'subnet', expected);
  }
  if (!network.equals(addr)) {
    const text = `Network has host bits set. For a subnet mask of length ${bits} the network address is ${network}`;
    throw invalid(text, fields, 'subnet', `${network}/${bits}`);
  }
  const first = after(network);
  // The last address of an IPv4 subnet is its broadcast address; IPv6 has none.
  const last = addr.family === 4 ? (subnet.last().prev() ?? first) : subnet.last();
  const gateway = fields.addr('gateway') ?? first;
  const start = fields.addr('rangeStart') ?? first;
  const end = fields.addr('rangeEnd') ?? last;
  const isInside = { rangeStart: subnet.contains(start), rangeEnd: subnet.contains(end) };
  if (!isInside.rangeStart || (isInside.rangeEnd && start.compare(end) > 0)) {
    const expected = `an address of ${subnet} from ${first} to ${isInside.rangeEnd ? end : last}`;
    throw invalid(`RangeStart ${start} not in network ${subnet}`, fields, 'rangeStart', expected);
  }
  if (!isInside.rangeEnd) {
    const expected = `an address of ${subnet} from ${start} to ${last}`;
    throw invalid(`RangeEnd ${end} not in network ${subnet}`, fields, 'rangeEnd', expected);
  }
  return { subnet, start, end, gateway };
}

/** Checks that a set has ranges, of one family, that do not overlap. Throws CniError. */
export function checkRangeSet(set: RangeSet): RangeSet {
  const [first] = set;
  if (first === undefined) throw refused('empty range set', 'expected at least one range');
  set.forEach((range, index) => {
    if (range.subnet.addr.family !== first.subnet.addr.family) {
      const details = `expected one family, got ${first.subnet} and ${range.subnet}`;
      throw refused('mixed address families', details);
    }
    for (const other of set.slice(0, index)) {
      if (overlap(range, other)) {
        const details = 'expected ranges with no address in common';
        throw refused(
          `subnets ${other.start}-${other.end} and ${range.start}-${range.end} overlap`,
          details,
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
        const details = `expected no address in both ${formatSet(other)} and ${formatSet(set)}`;
        throw refused(`range set ${at} overlaps with ${index}`, details);
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
  if (next === undefined) throw refused(`no address after ${addr}`, 'subnet: expected a lower one');
  return next;
}

/** An error in the reference's words, with the field, its value and what was expected as details. */
function invalid(message: string, fields: Fields, name: string, expected: string): CniError {
  return refused(message, fields.wrong(name, expected, fields.value(name)).message);
}

function refused(message: string, details: string): CniError {
  return new CniError(CNI_CODE.invalidConfig, message, details);
}
