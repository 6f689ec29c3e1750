/* The codec of attributes: tables as data, and what is made of them. */
export { decodeAttributes, splitAttributes } from './attribute-decode.ts';
export { encodeAttributes } from './attribute-encode.ts';
export type { Attributes, AttributeTable, Layout } from './attribute-table.ts';
export { DecodeError } from './codec-error.ts';
