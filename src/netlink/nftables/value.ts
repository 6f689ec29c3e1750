/* Values as registers and set keys hold them. */

/** IFNAMSIZ (linux/if.h). */
const INTERFACE_NAME_BYTES = 16;

/** 32 bits in the host's order: marks, interface numbers, conntrack's status. */
export function hostU32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** 16 bits in the host's order: conntrack's zone. */
export function hostU16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, true);
  return bytes;
}

/** 16 bits in network order: ports, ether types. */
export function networkU16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}

/** An interface's name as a whole, to match it exactly. Throws RangeError over 15 octets. */
export function interfaceName(name: string): Uint8Array {
  const bytes = new Uint8Array(INTERFACE_NAME_BYTES);
  bytes.set(interfacePrefix(name));
  return bytes;
}

/** The beginning of an interface's name, `veth` for `veth*`. Throws RangeError over 15 octets. */
export function interfacePrefix(prefix: string): Uint8Array {
  const bytes = new TextEncoder().encode(prefix);
  if (bytes.length >= INTERFACE_NAME_BYTES) {
    throw new RangeError(
      `interface name "${prefix}" of ${bytes.length} bytes, expected at most ${INTERFACE_NAME_BYTES - 1}`,
    );
  }
  return bytes;
}

/** Fields side by side as a key of a concatenation: each padded to the register's 4 bytes. */
export function concatValues(...fields: readonly Uint8Array[]): Uint8Array {
  const length = fields.reduce((sum, field) => sum + ((field.length + 3) & ~3), 0);
  const key = new Uint8Array(length);
  let at = 0;
  for (const field of fields) {
    key.set(field, at);
    at += (field.length + 3) & ~3;
  }
  return key;
}
