import { Addr } from './addr.ts';
import { Prefix } from './prefix.ts';
import { Range } from './range.ts';

/** The netmask: 255.255.255.0 for an IPv4 /24. */
export function netmask({ addr, bits }: Prefix): Addr {
  const ones = addr.family === 4 ? Addr.v4(-1) : Addr.v6(-1, -1, -1, -1);
  return Prefix.of(ones, bits).first();
}

/** The netmask's opposite, as access lists write it: 0.0.0.255 for an IPv4 /24. */
export function wildcard({ addr, bits }: Prefix): Addr {
  const zeros = addr.family === 4 ? Addr.v4(0) : Addr.v6(0, 0, 0, 0);
  return Prefix.of(zeros, bits).last();
}

/**
 * The addresses hosts may have. IPv4: all but network and broadcast, of a /31 both (RFC 3021). IPv6:
 * all but the first, the Subnet-Router anycast address (RFC 4291 2.6.1), of a /127 both (RFC 6164). A
 * single address is usable.
 */
export function usable(prefix: Prefix): Range {
  const { addr, bits } = prefix;
  const all = Range.ofPrefix(prefix);
  if (bits >= addr.bits - 1) return all;
  const first = all.first.next() ?? all.first;
  const last = addr.family === 4 ? (all.last.prev() ?? all.last) : all.last;
  return Range.of(first, last);
}

/** The address at `index`, from 0; counted from the end when negative, -1 being the last. */
export function nth(prefix: Prefix, index: bigint | number): Addr | undefined {
  const at = BigInt(index);
  const offset = at < 0n ? prefix.size + at : at;
  return offset < 0n || offset >= prefix.size ? undefined : prefix.first().plus(offset);
}

/**
 * The prefixes of length `bits` in the prefix, in order; as many as are asked for. Throws RangeError
 * when `bits` is shorter than the prefix or longer than the family's.
 */
export function* split(prefix: Prefix, bits: number): Generator<Prefix, undefined> {
  checkBits(prefix, bits, prefix.bits);
  const last = prefix.last();
  let addr: Addr | undefined = prefix.first();
  while (addr !== undefined) {
    const part: Prefix = Prefix.of(addr, bits);
    yield part;
    const end = part.last();
    addr = end.equals(last) ? undefined : end.next();
  }
}

/** The prefix of length `bits` at `index`, from 0; undefined when there are not that many. */
export function nthSubnet(
  prefix: Prefix,
  bits: number,
  index: bigint | number,
): Prefix | undefined {
  checkBits(prefix, bits, prefix.bits);
  const at = BigInt(index);
  if (at < 0n || at >> BigInt(bits - prefix.bits) !== 0n) return undefined;
  const addr = prefix.first().plus(at << BigInt(prefix.addr.bits - bits));
  return addr === undefined ? undefined : Prefix.of(addr, bits);
}

/** The prefix of length `bits`, by default one bit shorter, that this is a part of. */
export function parent(prefix: Prefix, bits = prefix.bits - 1): Prefix | undefined {
  if (bits < 0 || bits > prefix.bits) return undefined;
  return Prefix.of(prefix.addr, bits).masked();
}

/** The other half of the parent; undefined for the whole family. */
export function sibling(prefix: Prefix): Prefix | undefined {
  const above = parent(prefix);
  if (above === undefined) return undefined;
  const first = Prefix.of(above.first(), prefix.bits);
  return first.contains(prefix.addr) ? nthSubnet(above, prefix.bits, 1) : first;
}

/** What an address is to a prefix it is in. */
export type Role = 'network' | 'broadcast' | 'subnet-router-anycast' | 'host';

/** The role of an address in a prefix; undefined when it is not in it. */
export function roleIn(prefix: Prefix, addr: Addr): Role | undefined {
  if (!prefix.contains(addr)) return undefined;
  if (usable(prefix).contains(addr.withZone(''))) return 'host';
  if (addr.family === 6) return 'subnet-router-anycast';
  return addr.equals(prefix.first()) ? 'network' : 'broadcast';
}

function checkBits({ addr }: Prefix, bits: number, least: number): void {
  if (Number.isInteger(bits) && bits >= least && bits <= addr.bits) return;
  throw new RangeError(`a prefix length from ${least} to ${addr.bits} was expected, got ${bits}`);
}
