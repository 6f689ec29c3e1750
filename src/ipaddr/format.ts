/** What an address consists of: the words from the highest to the lowest; IPv4 has `w3` alone. */
export interface AddrParts {
  readonly family: 4 | 6;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  /** Of IPv6, such as `eth0`; empty for none (RFC 4007). */
  readonly zone: string;
}

/** The text form of an address: dotted decimal for IPv4, RFC 5952 for IPv6. */
export function formatAddr(addr: AddrParts): string {
  if (addr.family === 4) return formatV4(addr.w3);
  const zone = addr.zone === '' ? '' : `%${addr.zone}`;
  // RFC 5952 section 5: an IPv4-mapped address shows the IPv4 part as such.
  if (addr.w0 === 0 && addr.w1 === 0 && addr.w2 === 0xffff) {
    return `::ffff:${formatV4(addr.w3)}${zone}`;
  }
  return formatV6([addr.w0, addr.w1, addr.w2, addr.w3]) + zone;
}

function formatV4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function formatV6(words: readonly number[]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952 section 4.2.2: a single zero group is not shortened.
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** The longest run of zero groups, the first of equals (RFC 5952 section 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at += 1) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}
