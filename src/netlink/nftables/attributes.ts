import type { AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/*
 * The tables of nf_tables messages (linux/netfilter/nf_tables.h). Integers are big-endian unless
 * said otherwise; keys, data and registers hold packet bytes, which are in network order too.
 */

/** struct nfgenmsg (linux/netfilter/nfnetlink.h). */
export const nfgenmsg = struct('nfgenmsg', { family: 'u8', version: 'u8', resourceId: 'be16' });

/** NFTA_TABLE_*. */
export const tableAttributes = {
  name: { id: 1, type: 'string' },
  flags: { id: 2, type: 'be32' },
  handle: { id: 4, type: 'be64' },
  userdata: { id: 6, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_HOOK_*. */
const hookAttributes = {
  number: { id: 1, type: 'be32' },
  priority: { id: 2, type: 'be32' },
} as const satisfies AttributeTable;

/** NFTA_CHAIN_*. */
export const chainAttributes = {
  table: { id: 1, type: 'string' },
  handle: { id: 2, type: 'be64' },
  name: { id: 3, type: 'string' },
  hook: { id: 4, type: { nested: hookAttributes } },
  policy: { id: 5, type: 'be32' },
  type: { id: 7, type: 'string' },
  userdata: { id: 12, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_VERDICT_*. */
const verdictAttributes = {
  code: { id: 1, type: 'be32' },
  chain: { id: 2, type: 'string' },
} as const satisfies AttributeTable;

/** NFTA_DATA_*: bytes for a register, or a verdict. */
const dataAttributes = {
  value: { id: 1, type: 'bytes' },
  verdict: { id: 2, type: { nested: verdictAttributes } },
} as const satisfies AttributeTable;

/** The expressions podwire uses, by the kernel's name for them. */
const expressionData = {
  /** NFTA_BITWISE_*. */
  bitwise: {
    sourceRegister: { id: 1, type: 'be32' },
    register: { id: 2, type: 'be32' },
    length: { id: 3, type: 'be32' },
    mask: { id: 4, type: { nested: dataAttributes } },
    xor: { id: 5, type: { nested: dataAttributes } },
  },
  /** NFTA_CMP_*. */
  cmp: {
    sourceRegister: { id: 1, type: 'be32' },
    operator: { id: 2, type: 'be32' },
    data: { id: 3, type: { nested: dataAttributes } },
  },
  /** NFTA_CT_*. */
  ct: { register: { id: 1, type: 'be32' }, key: { id: 2, type: 'be32' } },
  /** NFTA_IMMEDIATE_*. */
  immediate: {
    register: { id: 1, type: 'be32' },
    data: { id: 2, type: { nested: dataAttributes } },
  },
  /** NFTA_LOOKUP_*. */
  lookup: {
    set: { id: 1, type: 'string' },
    sourceRegister: { id: 2, type: 'be32' },
    register: { id: 3, type: 'be32' },
  },
  /** NFTA_MASQ_*. */
  masq: { flags: { id: 1, type: 'be32' } },
  /** NFTA_META_*. */
  meta: {
    register: { id: 1, type: 'be32' },
    key: { id: 2, type: 'be32' },
    sourceRegister: { id: 3, type: 'be32' },
  },
  /** NFTA_NAT_*. */
  nat: {
    type: { id: 1, type: 'be32' },
    family: { id: 2, type: 'be32' },
    addressRegister: { id: 3, type: 'be32' },
    protocolRegister: { id: 5, type: 'be32' },
  },
  /** NFTA_NG_*. */
  numgen: {
    register: { id: 1, type: 'be32' },
    modulus: { id: 2, type: 'be32' },
    type: { id: 3, type: 'be32' },
  },
  /** NFTA_PAYLOAD_*. */
  payload: {
    register: { id: 1, type: 'be32' },
    base: { id: 2, type: 'be32' },
    offset: { id: 3, type: 'be32' },
    length: { id: 4, type: 'be32' },
  },
  /** NFTA_REJECT_*. */
  reject: { type: { id: 1, type: 'be32' }, code: { id: 2, type: 'u8' } },
} as const satisfies Record<string, AttributeTable>;

/** NFTA_EXPR_*. */
export const expressionAttributes = {
  name: { id: 1, type: 'string' },
  data: { id: 2, type: { choice: expressionData, by: 'name' } },
} as const satisfies AttributeTable;

const NFTA_LIST_ELEM = 1;

/** NFTA_RULE_*. */
export const ruleAttributes = {
  table: { id: 1, type: 'string' },
  chain: { id: 2, type: 'string' },
  handle: { id: 3, type: 'be64' },
  expressions: { id: 4, type: { list: expressionAttributes, itemId: NFTA_LIST_ELEM } },
  userdata: { id: 7, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_SET_*. A map is a set with data. */
export const setAttributes = {
  table: { id: 1, type: 'string' },
  name: { id: 2, type: 'string' },
  flags: { id: 3, type: 'be32' },
  keyType: { id: 4, type: 'be32' },
  keyLength: { id: 5, type: 'be32' },
  dataType: { id: 6, type: 'be32' },
  dataLength: { id: 7, type: 'be32' },
  id: { id: 10, type: 'be32' },
  userdata: { id: 13, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_SET_ELEM_*. */
const elementAttributes = {
  key: { id: 1, type: { nested: dataAttributes } },
  data: { id: 2, type: { nested: dataAttributes } },
} as const satisfies AttributeTable;

/** NFTA_SET_ELEM_LIST_*. */
export const elementListAttributes = {
  table: { id: 1, type: 'string' },
  set: { id: 2, type: 'string' },
  elements: { id: 3, type: { list: elementAttributes, itemId: NFTA_LIST_ELEM } },
} as const satisfies AttributeTable;
