import { PodwireError } from '../errors.ts';

const IFNAMSIZ = 16; // linux/if.h
const IFREQ_BYTES = 40;

/** A name no interface can have. */
export class InterfaceNameError extends PodwireError {
  constructor(name: string) {
    super(
      'ERR_INTERFACE_NAME',
      `interface name "${name}": expected 1 to ${IFNAMSIZ - 1} bytes without "/", ":" or spaces`,
    );
  }
}

/**
 * A struct ifreq for the interface `name` (netdevice(7)): the name, then 24 bytes whose meaning
 * depends on the request, which begin at IFREQ_UNION.
 */
export function interfaceRequest(name: string): { bytes: Uint8Array; view: DataView } {
  const encoded = new TextEncoder().encode(name);
  const invalid = /[/:\s\0]/.test(name) || name === '.' || name === '..';
  if (invalid || encoded.length === 0 || encoded.length >= IFNAMSIZ) {
    throw new InterfaceNameError(name);
  }
  const bytes = new Uint8Array(new ArrayBuffer(IFREQ_BYTES));
  bytes.set(encoded);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Where in a struct ifreq its union is. */
export const IFREQ_UNION = IFNAMSIZ;
