/* nft(8) tells the types of a set's keys and data by these numbers; the kernel only stores them. */

/** A data type of nft(8) with its length in bytes, or several after each other. */
export interface DataType {
  readonly id: number;
  readonly lengthBytes: number;
}

export const IPV4_ADDR: DataType = { id: 7, lengthBytes: 4 };
export const IPV6_ADDR: DataType = { id: 8, lengthBytes: 16 };
export const INET_PROTO: DataType = { id: 12, lengthBytes: 1 };
export const INET_SERVICE: DataType = { id: 13, lengthBytes: 2 };
export const CLASSID: DataType = { id: 23, lengthBytes: 4 };
export const MARK: DataType = { id: 19, lengthBytes: 4 };
/** NFT_DATA_VERDICT. */
export const VERDICT: DataType = { id: 0xffffff00, lengthBytes: 16 };

const TYPE_BITS = 6;

/** A key of several fields, such as `ipv4_addr . inet_service`; each starts at a 4-byte register. */
export function concat(...fields: readonly DataType[]): DataType {
  return {
    id: fields.reduce((id, field) => (id << TYPE_BITS) | field.id, 0),
    lengthBytes: fields.reduce((sum, field) => sum + ((field.lengthBytes + 3) & ~3), 0),
  };
}
