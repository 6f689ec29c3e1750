import type { SlowAddr } from './parse.ts';

/** Prints an address by trying every way to shorten it (RFC 5952). */
export function formatSlowly({ family, value, zone }: SlowAddr): string {
  const text = family === 4 ? dotted(value) : formatV6(value);
  return zone === '' ? text : `${text}%${zone}`;
}

function dotted(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
}

function formatV6(value: bigint): string {
  // Section 5: a well-known prefix with an IPv4 address behind it shows the address as such.
  if (value >> 32n === 0xffffn) return `::ffff:${dotted(value & 0xffffffffn)}`;
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((value >> BigInt(112 - at * 16)) & 0xffffn).toString(16),
  );
  let shortest = groups.join(':');
  // Sections 4.2.1 to 4.2.3: as short as can be, never for one group, and the first of equals.
  for (let start = 0; start < 8; start += 1) {
    for (let length = 2; start + length <= 8; length += 1) {
      if (groups.slice(start, start + length).some((group) => group !== '0')) break;
      const text = `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
      const isLonger = length > gapOf(shortest);
      if (isLonger) shortest = text;
    }
  }
  return shortest;

  function gapOf(text: string): number {
    return text.includes('::') ? 8 - text.split(':').filter((part) => part !== '').length : 0;
  }
}
