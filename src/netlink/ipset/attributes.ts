import type { AttributeTable } from '../attribute.ts';

/*
 * The tables of ipset's messages (linux/netfilter/ipset/ip_set.h). Every integer wider than an octet
 * is big-endian, and the kernel refuses one whose attribute does not say so by a flag.
 */

const NLA_F_NET_BYTEORDER = 0x4000; // linux/netlink.h

/** IPSET_ATTR_IPADDR_*. */
const addressAttributes = {
  ipv4: { id: 1 | NLA_F_NET_BYTEORDER, type: 'bytes' },
  ipv6: { id: 2 | NLA_F_NET_BYTEORDER, type: 'bytes' },
} as const satisfies AttributeTable;

/** IPSET_ATTR_* of a set as a whole, in IPSET_ATTR_DATA of a create command and a listing. */
const setAttributes = {
  portFrom: { id: 4 | NLA_F_NET_BYTEORDER, type: 'be16' },
  portTo: { id: 5 | NLA_F_NET_BYTEORDER, type: 'be16' },
  timeout: { id: 6 | NLA_F_NET_BYTEORDER, type: 'be32' },
  flags: { id: 8 | NLA_F_NET_BYTEORDER, type: 'be32' },
  hashSize: { id: 18 | NLA_F_NET_BYTEORDER, type: 'be32' },
  elementsMax: { id: 19 | NLA_F_NET_BYTEORDER, type: 'be32' },
  size: { id: 23 | NLA_F_NET_BYTEORDER, type: 'be32' },
  elements: { id: 24 | NLA_F_NET_BYTEORDER, type: 'be32' },
  references: { id: 25 | NLA_F_NET_BYTEORDER, type: 'be32' },
  memoryBytes: { id: 26 | NLA_F_NET_BYTEORDER, type: 'be32' },
} as const satisfies AttributeTable;

/** IPSET_ATTR_* of an entry. */
const entryAttributes = {
  ip: { id: 1, type: { nested: addressAttributes } },
  prefixLength: { id: 3, type: 'u8' },
  port: { id: 4 | NLA_F_NET_BYTEORDER, type: 'be16' },
  timeout: { id: 6 | NLA_F_NET_BYTEORDER, type: 'be32' },
  protocol: { id: 7, type: 'u8' },
  flags: { id: 8 | NLA_F_NET_BYTEORDER, type: 'be32' },
  /** IPSET_ATTR_LINENO: must be there where several entries come in one message. */
  line: { id: 9 | NLA_F_NET_BYTEORDER, type: 'be32' },
  name: { id: 18, type: 'string' },
  ip2: { id: 20, type: { nested: addressAttributes } },
  prefix2Length: { id: 21, type: 'u8' },
  bytes: { id: 24 | NLA_F_NET_BYTEORDER, type: 'be64' },
  packets: { id: 25 | NLA_F_NET_BYTEORDER, type: 'be64' },
  comment: { id: 26, type: 'string' },
} as const satisfies AttributeTable;

const IPSET_ATTR_DATA = 7;

/** IPSET_ATTR_* at the level of commands that all of them have. */
const commandAttributes = {
  protocol: { id: 1, type: 'u8' },
  name: { id: 2, type: 'string' },
} as const satisfies AttributeTable;

/** Commands about a set as a whole, and listings, which have its entries too. */
export const setCommandAttributes = {
  ...commandAttributes,
  typeName: { id: 3, type: 'string' },
  revision: { id: 4, type: 'u8' },
  family: { id: 5, type: 'u8' },
  flags: { id: 6 | NLA_F_NET_BYTEORDER, type: 'be32' },
  data: { id: IPSET_ATTR_DATA, type: { nested: setAttributes } },
  entries: { id: 8, type: { list: entryAttributes, itemId: IPSET_ATTR_DATA } },
  /** IPSET_ATTR_PROTOCOL_MIN, and IPSET_ATTR_REVISION_MIN where a type is asked for. */
  versionMin: { id: 10, type: 'u8' },
} as const satisfies AttributeTable;

/** IPSET_ATTR_SETNAME2 has the number of IPSET_ATTR_TYPENAME. */
export const twoSetsAttributes = {
  ...commandAttributes,
  otherName: { id: 3, type: 'string' },
} as const satisfies AttributeTable;

/** Commands about one entry, or several. */
export const entryCommandAttributes = {
  ...commandAttributes,
  data: { id: IPSET_ATTR_DATA, type: { nested: entryAttributes } },
  entries: { id: 8, type: { list: entryAttributes, itemId: IPSET_ATTR_DATA } },
  line: { id: 9 | NLA_F_NET_BYTEORDER, type: 'be32' },
} as const satisfies AttributeTable;
