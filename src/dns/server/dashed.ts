const DASH = 0x2d;

/**
 * Reads the address in a label such as `10-0-0-1` or `fd00--1`, in lower case, into `out`. Exactly three
 * dashes, none beside another, are IPv4. Gives its length of 4 or 16 octets, or 0 for none.
 */
export function readDashed(
  bytes: Uint8Array,
  start: number,
  length: number,
  out: Uint8Array,
): number {
  let dashes = 0;
  let hasGap = false;
  for (let at = start; at < start + length; at += 1) {
    if (bytes[at] !== DASH) continue;
    dashes += 1;
    if (bytes[at + 1] === DASH && at + 1 < start + length) hasGap = true;
  }
  if (dashes === 3 && !hasGap) return readV4(bytes, start, start + length, out);
  return readV6(bytes, start, start + length, out);
}

function readV4(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let octets = 0;
  let value = 0;
  let digits = 0;
  for (let at = start; at <= end; at += 1) {
    const char = bytes[at] ?? 0;
    if (at === end || char === DASH) {
      if (digits === 0 || value > 255) return 0;
      out[octets] = value;
      octets += 1;
      value = 0;
      digits = 0;
      continue;
    }
    if (char < 0x30 || char > 0x39 || digits === 3 || (digits > 0 && value === 0)) return 0;
    value = value * 10 + char - 0x30;
    digits += 1;
  }
  return octets === 4 ? 4 : 0;
}

function readV6(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let groups = 0;
  let gapAt = -1;
  let at = start;
  if (bytes[at] === DASH) {
    // A dash at the beginning is the first half of a gap.
    if (bytes[at + 1] !== DASH || at + 1 >= end) return 0;
    gapAt = 0;
    at += 2;
  }
  while (at < end) {
    let value = 0;
    let digits = 0;
    for (; at < end && bytes[at] !== DASH; at += 1) {
      const digit = hexDigit(bytes[at] ?? 0);
      if (digit < 0 || digits === 4) return 0;
      value = value * 16 + digit;
      digits += 1;
    }
    if (digits === 0 || groups === 8) return 0;
    out[groups * 2] = value >> 8;
    out[groups * 2 + 1] = value & 255;
    groups += 1;
    if (at === end) break;
    at += 1;
    if (at === end) return 0;
    if (bytes[at] === DASH) {
      if (gapAt >= 0) return 0;
      gapAt = groups;
      at += 1;
    }
  }
  if (gapAt < 0) return groups === 8 ? 16 : 0;
  if (groups === 8) return 0;
  out.copyWithin(16 - (groups - gapAt) * 2, gapAt * 2, groups * 2);
  out.fill(0, gapAt * 2, 16 - (groups - gapAt) * 2);
  return 16;
}

/** The value of a hexadecimal digit in lower case, or -1. */
export function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  return char >= 0x61 && char <= 0x66 ? char - 0x57 : -1;
}
