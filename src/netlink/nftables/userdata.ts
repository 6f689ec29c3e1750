/*
 * What nft(8) keeps beside the objects, opaque to the kernel (libnftnl/udata.h): pairs of a type
 * octet and a length octet, then the value.
 */

/** NFTNL_UDATA_TABLE_COMMENT, and the same of chains, rules, objects and elements. */
const COMMENT = 0;
const SET_KEY_BYTE_ORDER = 0;
const SET_DATA_BYTE_ORDER = 1;
const SET_MERGE_ELEMENTS = 2;
const SET_COMMENT = 7;
const ELEMENT_FLAGS = 1;
/** NFTNL_SET_ELEM_F_INTERVAL_OPEN: an interval without an end. */
const INTERVAL_OPEN = 1;
/** Of rules, and ours alone: libnftnl counts up from 0, and nft(8) passes over what it does not know. */
const RULE_OWNER = 128;
/** NFT_USERDATA_MAXLEN (linux/netfilter/nf_tables.h). */
const USERDATA_BYTES_MAX = 256;
const HOST_ENDIAN = 1;
const BIG_ENDIAN = 2;
/** nft(8) takes no longer comment (NFTNL_UDATA_COMMENT_MAXLEN), the NUL behind it not counted. */
const COMMENT_BYTES_MAX = 128;

/** The comment of a table, chain, rule or object. Throws RangeError over 128 octets. */
export function commentUserdata(comment: string | undefined): Uint8Array | undefined {
  return comment === undefined ? undefined : entry(COMMENT, cString(comment));
}

/** The comment in a table's, chain's, rule's, object's or element's userdata. */
export function commentOf(userdata: Uint8Array | undefined): string | undefined {
  return text(entriesOf(userdata).get(COMMENT));
}

/** The comment of a rule, and whose it is beside that. Throws RangeError when both are too long. */
export function ruleUserdata(
  comment: string | undefined,
  owner: string | undefined,
): Uint8Array | undefined {
  if (owner === undefined) return commentUserdata(comment);
  const value = new TextEncoder().encode(owner);
  const userdata = Buffer.concat([
    ...(comment === undefined ? [] : [entry(COMMENT, cString(comment))]),
    entry(RULE_OWNER, value),
  ]);
  if (userdata.length > USERDATA_BYTES_MAX) {
    throw new RangeError(
      `nftables rule with ${userdata.length} bytes of comment and owner, expected at most ${USERDATA_BYTES_MAX}`,
    );
  }
  return userdata;
}

/** The owner in a rule's userdata. */
export function ruleOwnerOf(userdata: Uint8Array | undefined): string | undefined {
  return text(entriesOf(userdata).get(RULE_OWNER));
}

/** What nft(8) has to know of a set to print it. */
export interface SetUserdata {
  readonly comment?: string | undefined;
  /** The key is one number of the host's byte order. */
  readonly hostEndianKey: boolean;
  /** The same for the data of a map; undefined for a set. */
  readonly hostEndianData?: boolean | undefined;
  /** nft(8) merges adjacent intervals when it adds them. */
  readonly autoMerge: boolean;
}

/** A set's userdata. Throws RangeError over 128 octets of comment. */
export function setUserdata(set: SetUserdata): Uint8Array {
  const { comment, hostEndianKey, hostEndianData, autoMerge } = set;
  return Buffer.concat([
    entry(SET_KEY_BYTE_ORDER, u32(hostEndianKey ? HOST_ENDIAN : BIG_ENDIAN)),
    ...(hostEndianData === undefined
      ? []
      : [entry(SET_DATA_BYTE_ORDER, u32(hostEndianData ? HOST_ENDIAN : BIG_ENDIAN))]),
    ...(autoMerge ? [entry(SET_MERGE_ELEMENTS, u32(1))] : []),
    ...(comment === undefined ? [] : [entry(SET_COMMENT, cString(comment))]),
  ]);
}

/** Reads a set's userdata; what is not there is as in a set that was made without any. */
export function setUserdataOf(userdata: Uint8Array | undefined): SetUserdata {
  const entries = entriesOf(userdata);
  const dataOrder = entries.get(SET_DATA_BYTE_ORDER);
  return {
    comment: text(entries.get(SET_COMMENT)),
    hostEndianKey: number(entries.get(SET_KEY_BYTE_ORDER)) === HOST_ENDIAN,
    hostEndianData: dataOrder === undefined ? undefined : number(dataOrder) === HOST_ENDIAN,
    autoMerge: number(entries.get(SET_MERGE_ELEMENTS)) === 1,
  };
}

/** An element's userdata: its comment, and whether it begins an interval without an end. */
export function elementUserdata(
  comment: string | undefined,
  openInterval: boolean,
): Uint8Array | undefined {
  if (comment === undefined && !openInterval) return undefined;
  return Buffer.concat([
    ...(comment === undefined ? [] : [entry(COMMENT, cString(comment))]),
    ...(openInterval ? [entry(ELEMENT_FLAGS, u32(INTERVAL_OPEN))] : []),
  ]);
}

/** The entries by type. What is cut short is left out: other programs may write what they like. */
function entriesOf(userdata: Uint8Array | undefined): ReadonlyMap<number, Uint8Array> {
  const entries = new Map<number, Uint8Array>();
  if (userdata === undefined) return entries;
  for (let at = 0; at + 2 <= userdata.length; ) {
    const type = userdata[at] ?? 0;
    const end = at + 2 + (userdata[at + 1] ?? 0);
    if (end > userdata.length) break;
    entries.set(type, userdata.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function number(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

const textDecoder = new TextDecoder();

function text(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return textDecoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function cString(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(`${value}\0`);
  const length = bytes.length - 1;
  if (length > COMMENT_BYTES_MAX) {
    throw new RangeError(
      `nftables comment of ${length} bytes, expected at most ${COMMENT_BYTES_MAX}`,
    );
  }
  return bytes;
}

function entry(type: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(type, value.length), value]);
}
