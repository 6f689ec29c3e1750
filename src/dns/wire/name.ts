import { PodwireError } from '../../errors.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './constants.ts';

/** A text that is not a domain name. */
export class NameError extends PodwireError {
  constructor(name: string, problem: string) {
    super('ERR_DNS_NAME', `domain name "${name}": ${problem}`);
  }
}

/**
 * A domain name in wire form (RFC 1035 section 3.1), uncompressed and in lower case. A dot at the end
 * may be there or not. Throws NameError when a label or the whole is too long, or a label empty.
 */
export function encodeName(name: string): Uint8Array {
  const text = name.endsWith('.') ? name.slice(0, -1) : name;
  const labels = text === '' ? [] : text.toLowerCase().split('.');
  const bytes: number[] = [];
  for (const label of labels) {
    const octets = new TextEncoder().encode(label);
    if (octets.length === 0) throw new NameError(name, 'empty label');
    if (octets.length > LABEL_BYTES_MAX) {
      throw new NameError(name, `label "${label}" over ${LABEL_BYTES_MAX} bytes`);
    }
    bytes.push(octets.length, ...octets);
  }
  bytes.push(0);
  if (bytes.length > NAME_BYTES_MAX) throw new NameError(name, `over ${NAME_BYTES_MAX} bytes`);
  return Uint8Array.from(bytes);
}

/** A hash of a wire name (FNV-1a, 32 bits); the caller has put it in lower case. */
export function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  return hash >>> 0;
}
