/*
 * What nft(8) keeps beside the objects, opaque to the kernel (libnftnl/udata.h): pairs of a type
 * octet and a length octet, then the value.
 */

/** NFTNL_UDATA_TABLE_COMMENT, NFTNL_UDATA_CHAIN_COMMENT and NFTNL_UDATA_RULE_COMMENT. */
const COMMENT = 0;
const SET_KEY_BYTE_ORDER = 0;
const SET_DATA_BYTE_ORDER = 1;
const SET_COMMENT = 7;
const HOST_ENDIAN = 1;
const BIG_ENDIAN = 2;
const VALUE_BYTES_MAX = 255;

/** The comment of a table, chain or rule, which `nft list` prints. Throws RangeError over 254 octets. */
export function commentUserdata(comment: string): Uint8Array {
  return entry(COMMENT, cString(comment));
}

/** The comment of a set, and whether key and data are numbers of the host's byte order. */
export function setUserdata(options: {
  readonly comment: string;
  readonly hostEndianKey: boolean;
  readonly hostEndianData: boolean;
}): Uint8Array {
  return Buffer.concat([
    entry(SET_KEY_BYTE_ORDER, byteOrder(options.hostEndianKey)),
    entry(SET_DATA_BYTE_ORDER, byteOrder(options.hostEndianData)),
    entry(SET_COMMENT, cString(options.comment)),
  ]);
}

function byteOrder(host: boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, host ? HOST_ENDIAN : BIG_ENDIAN, true);
  return bytes;
}

function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function entry(type: number, value: Uint8Array): Uint8Array {
  if (value.length > VALUE_BYTES_MAX) {
    throw new RangeError(`nftables userdata of ${value.length} bytes, at most ${VALUE_BYTES_MAX}`);
  }
  return Buffer.concat([Uint8Array.of(type, value.length), value]);
}
