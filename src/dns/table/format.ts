/*
 * The packed table that all workers read, in one buffer of shared memory (little-endian):
 *
 *   header    u32 magic, u32 bucket mask
 *   buckets   u32 each: the offset of an entry, 0 for none; open addressing, linear probing
 *   entry     u8 flags, u8 name length, u16 number of rrsets, then the name in wire form and lower
 *             case, padded to 4, then the rrsets
 *   rrset     u16 type, u16 records, u16 additional records, u16 length of each record when all
 *             are alike and 0 otherwise, u32 length of the records, u32 length of the additional
 *             ones, then both, padded to 4
 *
 * The records are as they go on the wire, with the owner as a pointer to the question's name.
 */

export const MAGIC = 0x54445750; // "PWDT"
export const TABLE_HEADER_BYTES = 8;
export const FLAG_APEX = 1;
export const ENTRY_HEADER_BYTES = 4;
export const RRSET_HEADER_BYTES = 16;

/** A compression pointer to the name in the question, which follows the header (RFC 1035 4.1.4). */
export const POINTER_TO_QUESTION = 0xc00c;

/** `value` up to the next multiple of 4. */
export function align4(value: number): number {
  return (value + 3) & ~3;
}
