import { PodwireError } from '../../errors.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from '../wire/constants.ts';

/** Bytes that are no DNS message, or a text that is no name or record. */
export class MessageError extends PodwireError {
  constructor(problem: string) {
    super('ERR_DNS_MESSAGE', problem);
  }
}

const DOT = 0x2e;
const BACKSLASH = 0x5c;

/** Where a name was read from, and where what follows it begins. */
export interface NameAt {
  readonly name: string;
  readonly next: number;
}

/**
 * Reads a name with its compression pointers (RFC 1035 section 4.1.4). Pointers lead backwards only,
 * so reading ends. The text is absolute, in the sender's case, with `\.`, `\\` and `\DDD` for octets
 * that are not printable (RFC 1035 section 5.1), so every name has one and keeps its octets. Throws
 * MessageError.
 */
export function readName(bytes: Uint8Array, start: number): NameAt {
  let text = '';
  let at = start;
  let next = -1;
  let lowest = start;
  let length = 1;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw new MessageError(`a name ends after the message, at ${at}`);
    if (size === 0) break;
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw new MessageError(`a pointer ends after the message, at ${at}`);
      if (next < 0) next = at + 2;
      at = ((size & 0x3f) << 8) | low;
      if (at >= lowest) throw new MessageError(`a pointer that does not lead back, to ${at}`);
      lowest = at;
      continue;
    }
    if (size > LABEL_BYTES_MAX) throw new MessageError(`label type ${size >> 6} at ${at}`);
    length += size + 1;
    if (length > NAME_BYTES_MAX) throw new MessageError(`a name over ${NAME_BYTES_MAX} bytes`);
    if (at + 1 + size > bytes.length) throw new MessageError(`a label ends after the message`);
    text += `${labelText(bytes, at + 1, size)}.`;
    at += size + 1;
  }
  return { name: text === '' ? '.' : text, next: next < 0 ? at + 1 : next };
}

function labelText(bytes: Uint8Array, start: number, size: number): string {
  let text = '';
  for (let at = start; at < start + size; at += 1) {
    const octet = bytes[at] ?? 0;
    if (octet === DOT || octet === BACKSLASH) text += `\\${String.fromCharCode(octet)}`;
    else if (octet > 0x20 && octet < 0x7f) text += String.fromCharCode(octet);
    else text += `\\${String(octet).padStart(3, '0')}`;
  }
  return text;
}

/**
 * The labels of a name in text form, as octets; relative and absolute names alike. Throws
 * MessageError when a label is empty or too long, or the whole is.
 */
export function parseLabels(name: string): Uint8Array[] {
  if (name === '.' || name === '') return [];
  const labels: Uint8Array[] = [];
  let label: number[] = [];
  let length = 1;
  const close = (): void => {
    if (label.length === 0) throw new MessageError(`name "${name}": empty label`);
    if (label.length > LABEL_BYTES_MAX) {
      throw new MessageError(`name "${name}": a label over ${LABEL_BYTES_MAX} bytes`);
    }
    length += label.length + 1;
    if (length > NAME_BYTES_MAX) throw new MessageError(`name over ${NAME_BYTES_MAX} bytes`);
    labels.push(Uint8Array.from(label));
    label = [];
  };
  for (let at = 0; at < name.length; at += 1) {
    const char = name[at] ?? '';
    if (char === '.') {
      close();
    } else if (char === '\\') {
      const digits = name.slice(at + 1, at + 4);
      if (/^[0-9]{3}$/.test(digits) && Number(digits) < 256) {
        label.push(Number(digits));
        at += 3;
      } else {
        const escaped = name.charCodeAt(at + 1);
        if (!(escaped < 0x80)) throw new MessageError(`name "${name}": nothing after "\\"`);
        label.push(escaped);
        at += 1;
      }
    } else {
      label.push(...new TextEncoder().encode(char));
    }
  }
  if (label.length > 0) close();
  return labels;
}

/** A name in lower case with the final dot: what names are compared by (RFC 4343). */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower : `${lower}.`;
}

/** Whether a canonical name is the canonical zone or below it. */
export function isWithin(name: string, zone: string): boolean {
  if (zone === '.' || name === zone) return true;
  return name.endsWith(zone) && name[name.length - zone.length - 1] === '.';
}

/** The longest of the canonical zones that holds the canonical name. */
export function zoneOf(name: string, zones: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const zone of zones) {
    if (isWithin(name, zone) && (found === undefined || zone.length > found.length)) found = zone;
  }
  return found;
}
