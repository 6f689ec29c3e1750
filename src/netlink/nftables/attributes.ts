import type { AttributeTable } from '../attribute.ts';
import {
  connlimitAttributes,
  counterAttributes,
  dataAttributes,
  expressionAttributes,
  limitAttributes,
  NFTA_LIST_ELEM,
  quotaAttributes,
  statefulAttributes,
} from './expression/attributes.ts';

/*
 * The tables of nf_tables messages (linux/netfilter/nf_tables.h). Integers are big-endian unless
 * said otherwise. Those of rules' expressions are in expression/.
 */

/** NFNL_BATCH_*: what the beginning of a batch may say. */
export const batchAttributes = {
  generation: { id: 1, type: 'be32' },
} as const satisfies AttributeTable;

/** NFTA_GEN_*. */
export const generationAttributes = {
  id: { id: 1, type: 'be32' },
  processId: { id: 2, type: 'be32' },
  processName: { id: 3, type: 'string' },
} as const satisfies AttributeTable;

/** NFTA_TABLE_*. */
export const tableAttributes = {
  name: { id: 1, type: 'string' },
  flags: { id: 2, type: 'be32' },
  useCount: { id: 3, type: 'be32' },
  handle: { id: 4, type: 'be64' },
  userdata: { id: 6, type: 'bytes' },
  owner: { id: 7, type: 'be32' },
} as const satisfies AttributeTable;

const NFTA_DEVICE_NAME = 1;

/** NFTA_HOOK_*. */
const hookAttributes = {
  number: { id: 1, type: 'be32' },
  priority: { id: 2, type: 'be32' },
  device: { id: 3, type: 'string' },
  devices: { id: 4, type: { listOf: 'string', itemId: NFTA_DEVICE_NAME } },
} as const satisfies AttributeTable;

/** NFTA_CHAIN_*. */
export const chainAttributes = {
  table: { id: 1, type: 'string' },
  handle: { id: 2, type: 'be64' },
  name: { id: 3, type: 'string' },
  hook: { id: 4, type: { nested: hookAttributes } },
  policy: { id: 5, type: 'be32' },
  useCount: { id: 6, type: 'be32' },
  type: { id: 7, type: 'string' },
  counters: { id: 8, type: { nested: counterAttributes } },
  flags: { id: 10, type: 'be32' },
  userdata: { id: 12, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_RULE_*. */
export const ruleAttributes = {
  table: { id: 1, type: 'string' },
  chain: { id: 2, type: 'string' },
  handle: { id: 3, type: 'be64' },
  expressions: { id: 4, type: { list: expressionAttributes, itemId: NFTA_LIST_ELEM } },
  /** The handle of the rule before or after which this one goes; in a listing, of the one before. */
  position: { id: 6, type: 'be64' },
  userdata: { id: 7, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_SET_FIELD_*: one field of a concatenated key. */
const setFieldAttributes = {
  lengthBytes: { id: 1, type: 'be32' },
} as const satisfies AttributeTable;

/** NFTA_SET_DESC_*. */
const setDescriptionAttributes = {
  size: { id: 1, type: 'be32' },
  fields: { id: 2, type: { list: setFieldAttributes, itemId: NFTA_LIST_ELEM } },
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
  policy: { id: 8, type: 'be32' },
  description: { id: 9, type: { nested: setDescriptionAttributes } },
  id: { id: 10, type: 'be32' },
  timeoutMs: { id: 11, type: 'be64' },
  gcIntervalMs: { id: 12, type: 'be32' },
  userdata: { id: 13, type: 'bytes' },
  objectType: { id: 15, type: 'be32' },
  handle: { id: 16, type: 'be64' },
  expression: { id: 17, type: { nested: statefulAttributes } },
  expressions: { id: 18, type: { list: statefulAttributes, itemId: NFTA_LIST_ELEM } },
} as const satisfies AttributeTable;

/** NFTA_SET_ELEM_*. */
const elementAttributes = {
  key: { id: 1, type: { nested: dataAttributes } },
  data: { id: 2, type: { nested: dataAttributes } },
  flags: { id: 3, type: 'be32' },
  timeoutMs: { id: 4, type: 'be64' },
  expirationMs: { id: 5, type: 'be64' },
  userdata: { id: 6, type: 'bytes' },
  expression: { id: 7, type: { nested: statefulAttributes } },
  object: { id: 9, type: 'string' },
  keyEnd: { id: 10, type: { nested: dataAttributes } },
  expressions: { id: 11, type: { list: statefulAttributes, itemId: NFTA_LIST_ELEM } },
} as const satisfies AttributeTable;

/** NFTA_SET_ELEM_LIST_*. */
export const elementListAttributes = {
  table: { id: 1, type: 'string' },
  set: { id: 2, type: 'string' },
  elements: { id: 3, type: { list: elementAttributes, itemId: NFTA_LIST_ELEM } },
  setId: { id: 4, type: 'be32' },
} as const satisfies AttributeTable;

/** NFTA_OBJ_* of an object whose type is not known yet. */
export const objectAttributes = {
  table: { id: 1, type: 'string' },
  name: { id: 2, type: 'string' },
  type: { id: 3, type: 'be32' },
  useCount: { id: 5, type: 'be32' },
  handle: { id: 6, type: 'be64' },
  userdata: { id: 8, type: 'bytes' },
} as const satisfies AttributeTable;

/** NFTA_CT_HELPER_*. */
const helperAttributes = {
  helper: { id: 1, type: 'string' },
  l3proto: { id: 2, type: 'be16' },
  l4proto: { id: 3, type: 'u8' },
} as const satisfies AttributeTable;

const NFTA_OBJ_DATA = 4;

/** NFTA_OBJ_* of each type of object, with the attributes of its state. */
export const objectAttributesOf = {
  counter: {
    ...objectAttributes,
    data: { id: NFTA_OBJ_DATA, type: { nested: counterAttributes } },
  },
  quota: { ...objectAttributes, data: { id: NFTA_OBJ_DATA, type: { nested: quotaAttributes } } },
  limit: { ...objectAttributes, data: { id: NFTA_OBJ_DATA, type: { nested: limitAttributes } } },
  connlimit: {
    ...objectAttributes,
    data: { id: NFTA_OBJ_DATA, type: { nested: connlimitAttributes } },
  },
  'ct helper': {
    ...objectAttributes,
    data: { id: NFTA_OBJ_DATA, type: { nested: helperAttributes } },
  },
} as const satisfies Record<string, AttributeTable>;

/** NFTA_VERDICT_* of a trace, whose chain is that of a jump or goto. */
const traceVerdictAttributes = {
  code: { id: 1, type: 'be32' },
  chain: { id: 2, type: 'string' },
} as const satisfies AttributeTable;

/** NFTA_TRACE_*. */
export const traceAttributes = {
  table: { id: 1, type: 'string' },
  chain: { id: 2, type: 'string' },
  ruleHandle: { id: 3, type: 'be64' },
  type: { id: 4, type: 'be32' },
  verdict: { id: 5, type: { nested: traceVerdictAttributes } },
  id: { id: 6, type: 'be32' },
  linkHeader: { id: 7, type: 'bytes' },
  networkHeader: { id: 8, type: 'bytes' },
  transportHeader: { id: 9, type: 'bytes' },
  iif: { id: 10, type: 'be32' },
  iifType: { id: 11, type: 'be16' },
  oif: { id: 12, type: 'be32' },
  oifType: { id: 13, type: 'be16' },
  mark: { id: 14, type: 'be32' },
  nfproto: { id: 15, type: 'be32' },
  policy: { id: 16, type: 'be32' },
  connectionId: { id: 18, type: 'be32' },
  connectionDirection: { id: 19, type: 'u8' },
  connectionStatus: { id: 20, type: 'be32' },
  connectionState: { id: 21, type: 'be32' },
} as const satisfies AttributeTable;
