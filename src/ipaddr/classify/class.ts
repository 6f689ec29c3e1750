import { type Prefix, parsePrefix } from '../prefix.ts';

/** The historical classes of IPv4 addresses. */
export type AddressClass = 'A' | 'B' | 'C' | 'D' | 'E';

/** One class. */
export interface ClassRow {
  readonly addressClass: AddressClass;
  readonly prefix: Prefix;
  /** How many bits of an address name its network; D and E have no networks. */
  readonly networkBits: 8 | 16 | 24 | undefined;
}

const row = (
  addressClass: AddressClass,
  prefix: string,
  networkBits: ClassRow['networkBits'],
): ClassRow => ({ addressClass, prefix: parsePrefix(prefix), networkBits });

/**
 * The classes by their first bits (RFC 791 3.2, RFC 1112 4). D is multicast, E is for research. No
 * network of class A was given out from 0.0.0.0/8 and 127.0.0.0/8; `classOf` leaves them aside.
 */
export const ADDRESS_CLASSES: readonly ClassRow[] = [
  row('A', '0.0.0.0/1', 8),
  row('B', '128.0.0.0/2', 16),
  row('C', '192.0.0.0/3', 24),
  row('D', '224.0.0.0/4', undefined),
  row('E', '240.0.0.0/4', undefined),
];

/** The row of the class by the first octet; undefined for 0 and 127. */
export function classOf(firstOctet: number): ClassRow | undefined {
  if (firstOctet === 0 || firstOctet === 127) return undefined;
  return ADDRESS_CLASSES[Math.min(4, Math.clz32(~(firstOctet << 24)))];
}
