/*
 * The table all threads read, in one piece of shared memory of which only what is used is touched.
 * Numbers are little-endian; every block begins at a multiple of 8 and with its own length.
 *
 *   header    u32 words, see HEADER
 *   readers   u32 for each thread: the generation it reads from, 0 while it reads nothing
 *   buckets   u32 length, u32 mask, then u32 each: the offset of an entry, 0 for none, 4 for one that
 *             was removed; open addressing, linear probing
 *   entry     u32 length, u32 hash, u32 the next entry of the same Service, u8 flags, u8 length of the
 *             name, u8 rrsets, u8 view; then the name in wire form, relative to the zone and without
 *             the root, then the rrsets
 *   rrset     u8 kind, u8 where in the name that of the Service begins, u16 records, u32 length of
 *             what follows: A and AAAA the addresses; CNAME a whole name; TXT the data; SRV u16 weight,
 *             then for each u16 port, u8 length of the labels before the Service's name, and these
 *   node      u32 length, u32 bit, two u32 children: of the tree of addresses; a child with its
 *             lowest bit set is a node, any other a leaf
 *   leaf      u32 length, u8 octets of the address, u8 how many names are of Services, u16 names, then
 *             the address, then for each name, those of Services first: u8 kind, u8 length, the name
 *   apex      u32 length, u32 names, then for each NS record u8 length and the name
 *
 * The records are not whole: owner, class, TTL and the zone's own name are put to them when they are
 * asked for, in the letters of the question.
 */

export const MAGIC = 0x32445750; // "PWD2"

/** Indexes of the header's words. */
export const HEADER = {
  MAGIC: 0,
  GENERATION: 1,
  BUCKETS: 2,
  FLAGS: 3,
  SERIAL: 4,
  TTL: 5,
  TREE4: 6,
  TREE6: 7,
  APEX: 8,
} as const;

/** Of the header's flags: what is not there is known not to exist. */
export const FLAG_SYNCED = 1;
/** Of the header's flags: some entries say what is below them. */
export const FLAG_BELOW = 2;

/** Of the header's flags: what is there may be out of date. */
export const FLAG_STALE = 4;

/** Threads that may read one table. */
export const READERS_MAX = 256;
export const READERS_WORD = 16;
/** Where blocks begin. */
export const BLOCKS_START = (READERS_WORD + READERS_MAX) * 4;

export const BUCKETS_HEADER_BYTES = 8;
export const BUCKET_REMOVED = 4;

export const ENTRY_HEADER_BYTES = 16;
export const ENTRY_HASH = 4;
export const ENTRY_NEXT = 8;
export const ENTRY_FLAGS = 12;
export const ENTRY_NAME_BYTES = 13;
export const ENTRY_RRSETS = 14;
export const ENTRY_VIEW = 15;

/** Of an entry's flags: its addresses lead back to it. */
export const REVERSE_SERVICE = 1;
export const REVERSE_ENDPOINT = 2;
/** Of an entry's flags: what names below are that are not there. */
export const BELOW_EMPTY = 4;
export const BELOW_SERVICE = 8;
export const BELOW_PODS = 16;

export const RRSET_HEADER_BYTES = 8;
/** Kind of an rrset that stands for the addresses of the Service. */
export const KIND_SERVICE_ADDRESSES = 0xf0;

export const NODE_BYTES = 16;
export const NODE_BIT = 4;
export const NODE_CHILDREN = 8;

export const LEAF_ADDRESS_BYTES = 4;
export const LEAF_SERVICES = 5;
export const LEAF_NAMES = 6;
export const LEAF_HEADER_BYTES = 8;

export const VIEW_CLUSTER = 0;
export const VIEW_CLUSTERSET = 1;

/** What TXT records have: there is one, which never changes. */
export const TXT_TTL_SECONDS = 28_800;
/** SOA records have the zone's TTL, but at most this, as CoreDNS. */
export const SOA_TTL_SECONDS_MAX = 300;
