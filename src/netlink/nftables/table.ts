import type { Attributes } from '../attribute.ts';
import { bitsOf, namesOf } from '../flags.ts';
import type { tableAttributes } from './attributes.ts';
import type { Family, TableRef } from './family.ts';
import { commentOf, commentUserdata } from './userdata.ts';

/**
 * NFT_TABLE_F_*. `owner` gives the table to the connection that makes it: nobody else can change
 * it, and it goes when the connection closes (Linux 5.12), unless it is to `persist` (Linux 6.9).
 */
const TABLE_FLAG = { dormant: 1, owner: 2, persist: 4 } as const;
export type TableFlag = keyof typeof TABLE_FLAG;

/** A table as it is made. */
export interface TableSpec extends TableRef {
  readonly comment?: string | undefined;
  readonly flags?: readonly TableFlag[] | undefined;
}

/** A table as the kernel has it. */
export interface Table extends TableSpec {
  readonly handle: bigint;
  /** How many chains, sets and objects it has. */
  readonly useCount: number;
  /** The netlink port of the connection that owns it. */
  readonly owner?: number | undefined;
}

/** The attributes that make a table. */
export function encodeTable(table: TableSpec): Attributes<typeof tableAttributes> {
  const flags = bitsOf(TABLE_FLAG, table.flags ?? []);
  return {
    name: table.name,
    flags: flags === 0 ? undefined : flags,
    userdata: commentUserdata(table.comment),
  };
}

/** The table a message tells of. */
export function decodeTable(family: Family, attributes: Attributes<typeof tableAttributes>): Table {
  const { name = '', flags = 0, handle = 0n, useCount = 0, userdata, owner } = attributes;
  const names = namesOf(TABLE_FLAG, flags);
  return {
    family,
    name,
    comment: commentOf(userdata),
    flags: names.length === 0 ? undefined : names,
    handle,
    useCount,
    owner,
  };
}
