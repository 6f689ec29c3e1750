import { PodwireError } from '../../errors.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './constants.ts';

/** A text that is not a domain name. */
export class NameError extends PodwireError {
  constructor(name: string, problem: string) {
    super('ERR_DNS_NAME', `domain name "${name}": ${problem}`);
  }
}

const encoder = new TextEncoder();

/**
 * A domain name in wire form (RFC 1035 section 3.1), uncompressed and in lower case. A dot at the end
 * may be there or not. Throws NameError when a label or the whole is too long, or a label empty.
 */
export function encodeName(name: string): Uint8Array {
  const text = name.endsWith('.') ? name.slice(0, -1) : name;
  const octets = encoder.encode(text.toLowerCase());
  // Each dot, and the place before the first label, becomes the length of what follows it.
  const bytes = new Uint8Array(octets.length === 0 ? 1 : octets.length + 2);
  if (octets.length === 0) return bytes;
  if (bytes.length > NAME_BYTES_MAX) throw new NameError(name, `over ${NAME_BYTES_MAX} bytes`);
  bytes.set(octets, 1);
  let start = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    if (at < bytes.length - 1 && bytes[at] !== DOT) continue;
    const length = at - start - 1;
    if (length === 0) throw new NameError(name, 'empty label');
    if (length > LABEL_BYTES_MAX) {
      const label = text.split('.').find((each) => encoder.encode(each).length === length);
      throw new NameError(name, `label "${label}" over ${LABEL_BYTES_MAX} bytes`);
    }
    bytes[start] = length;
    start = at;
  }
  return bytes;
}

const DOT = 0x2e;

/**
 * The text of the wire name at `bytes[at..]`, without a dot at the end; `.` is the root. Octets that
 * are no letter, digit, `-` or `_` are escaped (RFC 4343 section 2.1). Compression is not followed.
 */
export function formatName(bytes: Uint8Array, start = 0): string {
  const labels: string[] = [];
  for (let at = start; (bytes[at] ?? 0) !== 0; ) {
    const size = bytes[at] ?? 0;
    const label = Array.from(bytes.subarray(at + 1, at + 1 + size), (octet) => {
      const char = String.fromCharCode(octet);
      return /[A-Za-z0-9_-]/.test(char) ? char : `\\${String(octet).padStart(3, '0')}`;
    });
    labels.push(label.join(''));
    at += 1 + size;
  }
  return labels.length === 0 ? '.' : labels.join('.');
}

/** A hash of a wire name (FNV-1a, 32 bits); the caller has put it in lower case. */
export function hashName(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  return hash >>> 0;
}
