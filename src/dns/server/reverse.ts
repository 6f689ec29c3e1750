import type { WireName } from '../wire/wire-name.ts';
import { hexDigit } from './dashed.ts';

/** Labels of `in-addr.arpa` and `ip6.arpa`. */
const SUFFIX_LABELS = 2;

/**
 * Reads the address in a reverse name, from its last label to its first, into `out` (RFC 1035 3.5, RFC
 * 3596 2.5). Gives how many bits the name has, all of them for a whole address, or -1 when it is no
 * such name: a number written otherwise, or too many labels.
 */
export function readReverse(name: WireName, family: 4 | 6, out: Uint8Array): number {
  const digits = name.labelCount - SUFFIX_LABELS;
  if (digits > (family === 4 ? 4 : 32)) return -1;
  out.fill(0);
  for (let index = 0; index < digits; index += 1) {
    const at = name.labels[digits - 1 - index] ?? 0;
    const value = family === 4 ? readOctet(name.bytes, at) : readNibble(name.bytes, at);
    if (value < 0) return -1;
    if (family === 4) out[index] = value;
    else out[index >>> 1] = (out[index >>> 1] ?? 0) | ((index & 1) === 0 ? value << 4 : value);
  }
  return digits * (family === 4 ? 8 : 4);
}

/** The number from 0 to 255 in the label at `at`, or -1. */
function readOctet(bytes: Uint8Array, at: number): number {
  const size = bytes[at] ?? 0;
  if (size === 0 || size > 3) return -1;
  let value = 0;
  for (let index = 1; index <= size; index += 1) {
    const digit = (bytes[at + index] ?? 0) - 0x30;
    if (digit < 0 || digit > 9 || (index > 1 && value === 0)) return -1;
    value = value * 10 + digit;
  }
  return value > 255 ? -1 : value;
}

function readNibble(bytes: Uint8Array, at: number): number {
  return bytes[at] === 1 ? hexDigit(bytes[at + 1] ?? 0) : -1;
}
