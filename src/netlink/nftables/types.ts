/*
 * nft(8) tells the types of a set's keys and data by numbers (enum datatypes in its datatype.h),
 * which the kernel only stores.
 */

/** A data type of nft(8), or several after each other. */
export interface DataType {
  /** As `nft list` prints it, such as `ipv4_addr . inet_service`. */
  readonly name: string;
  readonly id: number;
  /** As a key: each field of a concatenation is padded to 4 bytes. */
  readonly lengthBytes: number;
  /** Whether it is one number of the host's byte order, which nft(8) has to be told. */
  readonly hostEndian: boolean;
  /** The fields of a concatenation; none for a plain type. */
  readonly fields: readonly DataType[];
}

function plain(name: string, id: number, lengthBytes: number, hostEndian = false): DataType {
  return { name, id, lengthBytes, hostEndian, fields: [] };
}

export const NF_PROTO = plain('nf_proto', 2, 1, true);
export const IPV4_ADDR = plain('ipv4_addr', 7, 4);
export const IPV6_ADDR = plain('ipv6_addr', 8, 16);
export const ETHER_ADDR = plain('ether_addr', 9, 6);
export const ETHER_TYPE = plain('ether_type', 10, 2);
export const INET_PROTO = plain('inet_proto', 12, 1);
export const INET_SERVICE = plain('inet_service', 13, 2);
export const MARK = plain('mark', 19, 4, true);
export const IFINDEX = plain('iface_index', 20, 4, true);
export const CLASSID = plain('classid', 23, 4, true);
export const CT_STATE = plain('ct_state', 26, 4, true);
export const FIB_ADDRTYPE = plain('fib_addrtype', 38, 4, true);
export const IFNAME = plain('ifname', 41, 16, true);
/** NFT_DATA_VERDICT: the data of a map whose elements are verdicts. */
export const VERDICT = plain('verdict', 0xffffff00, 16);

const PLAIN_TYPES: ReadonlyMap<number, DataType> = new Map(
  [
    NF_PROTO,
    IPV4_ADDR,
    IPV6_ADDR,
    ETHER_ADDR,
    ETHER_TYPE,
    INET_PROTO,
    INET_SERVICE,
    MARK,
    IFINDEX,
    CLASSID,
    CT_STATE,
    FIB_ADDRTYPE,
    IFNAME,
    VERDICT,
  ].map((type) => [type.id, type]),
);

const TYPE_BITS = 6;
/** As many fields as fit into 32 bits of type numbers. */
const FIELDS_MAX = 5;

const padded = (lengthBytes: number): number => (lengthBytes + 3) & ~3;

/** A key of several fields, such as `ipv4_addr . inet_service`; each starts at a 4-byte register. */
export function concat(...fields: readonly DataType[]): DataType {
  if (fields.length < 2 || fields.length > FIELDS_MAX) {
    throw new RangeError(`concatenation of ${fields.length} fields, expected 2 to ${FIELDS_MAX}`);
  }
  return {
    name: fields.map((field) => field.name).join(' . '),
    id: fields.reduce((id, field) => (id << TYPE_BITS) | field.id, 0),
    lengthBytes: fields.reduce((sum, field) => sum + padded(field.lengthBytes), 0),
    hostEndian: false,
    fields,
  };
}

/**
 * The type with nft(8)'s number `id`. One that is not in the table above, such as those made by
 * `typeof`, is named by its number. `fieldBytes` are the lengths of a concatenation's fields.
 */
export function typeOf(
  id: number,
  lengthBytes: number,
  hostEndian: boolean,
  fieldBytes: readonly number[] = [],
): DataType {
  const known = PLAIN_TYPES.get(id);
  if (known !== undefined && known.lengthBytes === lengthBytes) return known;
  const ids: number[] = [];
  for (let rest = id; rest > 0 && ids.length < FIELDS_MAX; rest >>>= TYPE_BITS) {
    ids.unshift(rest & ((1 << TYPE_BITS) - 1));
  }
  if (ids.length < 2) return plain(`type ${id}`, id, lengthBytes, hostEndian);
  const fields = ids.map((each, index) => {
    const field = PLAIN_TYPES.get(each);
    return field ?? plain(`type ${each}`, each, fieldBytes[index] ?? 4);
  });
  const type = concat(...fields);
  return type.lengthBytes === lengthBytes ? type : plain(`type ${id}`, id, lengthBytes, hostEndian);
}
