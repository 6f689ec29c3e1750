/** What an address consists of: signed words, the highest first; IPv4 has `w3` alone. */
export interface AddrParts {
  readonly family: 4 | 6;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  /** Of IPv6, such as `eth0`; empty for none (RFC 4007). */
  readonly zone: string;
}

/** Every octet as text, made once. */
const OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) => `${octet}`);
const GROUPS = 8;

/** The text form of an address: dotted decimal for IPv4, RFC 5952 for IPv6. */
export function formatAddr(addr: AddrParts): string {
  if (addr.family === 4) return formatV4(addr.w3);
  const { w0, w1, w2, w3, zone } = addr;
  // RFC 5952 section 5: an IPv4-mapped address shows the IPv4 part as such.
  const isMapped = w0 === 0 && w1 === 0 && w2 === 0xffff;
  const text = isMapped ? `::ffff:${formatV4(w3)}` : formatV6(w0, w1, w2, w3);
  return zone === '' ? text : `${text}%${zone}`;
}

function formatV4(value: number): string {
  return `${OCTETS[value >>> 24]}.${OCTETS[(value >>> 16) & 255]}.${OCTETS[(value >>> 8) & 255]}.${OCTETS[value & 255]}`;
}

function formatV6(w0: number, w1: number, w2: number, w3: number): string {
  const group = (index: number): number => {
    const word = index < 4 ? (index < 2 ? w0 : w1) : index < 6 ? w2 : w3;
    return (index & 1) === 0 ? word >>> 16 : word & 0xffff;
  };
  // The longest run of zero groups, the first of equals (RFC 5952 section 4.2.3).
  let gapStart = -1;
  let gapLength = 1; // section 4.2.2: a single zero group is not shortened
  for (let at = 0; at < GROUPS; at += 1) {
    const start = at;
    while (at < GROUPS && group(at) === 0) at += 1;
    if (at - start > gapLength) {
      gapStart = start;
      gapLength = at - start;
    }
  }
  let text = '';
  for (let at = 0; at < GROUPS; at += 1) {
    if (at === gapStart) {
      text += '::';
      at += gapLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith('::')) text += ':';
    text += group(at).toString(16);
  }
  return text;
}
