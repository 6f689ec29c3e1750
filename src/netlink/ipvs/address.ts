import { Addr } from '../../ipaddr/addr.ts';
import { DecodeError } from '../attribute.ts';

/** sizeof(union nf_inet_addr). */
const ADDRESS_BYTES = 16;
/** AF_INET and AF_INET6 (sys/socket.h). */
export const ADDRESS_FAMILY = { 4: 2, 6: 10 } as const;

/** An address as IPVS has it: IPv4 in the first 4 of 16 octets. */
export function wireAddress(address: Addr): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  bytes.set(address.toBytes());
  return bytes;
}

/** The address of a listing. Throws DecodeError when it is cut short. */
export function addressOf(family: 4 | 6, wire: Uint8Array | undefined): Addr {
  const length = family === 4 ? 4 : 16;
  if (wire === undefined || wire.length < length) {
    throw new DecodeError('address', `${wire?.length ?? 0} bytes, expected ${length}`);
  }
  return Addr.fromBytes(wire.subarray(0, length));
}

/** The family with the number of sys/socket.h. Throws DecodeError for any other. */
export function familyOf(number: number | undefined): 4 | 6 {
  if (number === ADDRESS_FAMILY[4]) return 4;
  if (number === ADDRESS_FAMILY[6]) return 6;
  throw new DecodeError(
    'family',
    `${number}, expected ${ADDRESS_FAMILY[4]} or ${ADDRESS_FAMILY[6]}`,
  );
}
