import type { AttributeTable } from '../../attribute.ts';

/*
 * What the expressions of a rule carry (linux/netfilter/nf_tables.h). Integers are big-endian
 * unless said otherwise; registers hold packet bytes, which are in network order too.
 */

export const NFTA_LIST_ELEM = 1;

/** NFTA_VERDICT_*. */
const verdictAttributes = {
  code: { id: 1, type: 'be32' },
  chain: { id: 2, type: 'string' },
} as const satisfies AttributeTable;

/** NFTA_DATA_*: bytes for a register, or a verdict. */
export const dataAttributes = {
  value: { id: 1, type: 'bytes' },
  verdict: { id: 2, type: { nested: verdictAttributes } },
} as const satisfies AttributeTable;

const data = { nested: dataAttributes } as const;

/** NFTA_COUNTER_*; a counter object carries the same. */
export const counterAttributes = {
  bytes: { id: 1, type: 'be64' },
  packets: { id: 2, type: 'be64' },
} as const satisfies AttributeTable;

/** NFTA_QUOTA_*; a quota object carries the same. */
export const quotaAttributes = {
  bytes: { id: 1, type: 'be64' },
  flags: { id: 2, type: 'be32' },
  consumed: { id: 4, type: 'be64' },
} as const satisfies AttributeTable;

/** NFTA_LIMIT_*; a limit object carries the same. */
export const limitAttributes = {
  rate: { id: 1, type: 'be64' },
  unit: { id: 2, type: 'be64' },
  burst: { id: 3, type: 'be32' },
  type: { id: 4, type: 'be32' },
  flags: { id: 5, type: 'be32' },
} as const satisfies AttributeTable;

/** NFTA_CONNLIMIT_*; a connlimit object carries the same. */
export const connlimitAttributes = {
  count: { id: 1, type: 'be32' },
  flags: { id: 2, type: 'be32' },
} as const satisfies AttributeTable;

/** The expressions that keep a state, which sets and dynset may have for each element. */
const statefulData = {
  counter: counterAttributes,
  quota: quotaAttributes,
  limit: limitAttributes,
  connlimit: connlimitAttributes,
} as const satisfies Record<string, AttributeTable>;

/** NFTA_EXPR_* of a stateful expression. */
export const statefulAttributes = {
  name: { id: 1, type: 'string' },
  data: { id: 2, type: { choice: statefulData, by: 'name' } },
} as const satisfies AttributeTable;

/** The expressions podwire uses, by the kernel's name for them. */
const expressionData = {
  ...statefulData,
  /** NFTA_BITWISE_*. */
  bitwise: {
    sourceRegister: { id: 1, type: 'be32' },
    register: { id: 2, type: 'be32' },
    length: { id: 3, type: 'be32' },
    mask: { id: 4, type: data },
    xor: { id: 5, type: data },
    operation: { id: 6, type: 'be32' },
    data: { id: 7, type: data },
  },
  /** NFTA_BYTEORDER_*. */
  byteorder: {
    sourceRegister: { id: 1, type: 'be32' },
    register: { id: 2, type: 'be32' },
    operation: { id: 3, type: 'be32' },
    length: { id: 4, type: 'be32' },
    size: { id: 5, type: 'be32' },
  },
  /** NFTA_CMP_*. */
  cmp: {
    sourceRegister: { id: 1, type: 'be32' },
    operator: { id: 2, type: 'be32' },
    data: { id: 3, type: data },
  },
  /** NFTA_CT_*. */
  ct: {
    register: { id: 1, type: 'be32' },
    key: { id: 2, type: 'be32' },
    direction: { id: 3, type: 'u8' },
    sourceRegister: { id: 4, type: 'be32' },
  },
  /** NFTA_DYNSET_*. */
  dynset: {
    set: { id: 1, type: 'string' },
    setId: { id: 2, type: 'be32' },
    operation: { id: 3, type: 'be32' },
    keyRegister: { id: 4, type: 'be32' },
    dataRegister: { id: 5, type: 'be32' },
    timeoutMs: { id: 6, type: 'be64' },
    expression: { id: 7, type: { nested: statefulAttributes } },
    flags: { id: 9, type: 'be32' },
    expressions: { id: 10, type: { list: statefulAttributes, itemId: NFTA_LIST_ELEM } },
  },
  /** NFTA_EXTHDR_*. */
  exthdr: {
    register: { id: 1, type: 'be32' },
    type: { id: 2, type: 'u8' },
    offset: { id: 3, type: 'be32' },
    length: { id: 4, type: 'be32' },
    flags: { id: 5, type: 'be32' },
    operation: { id: 6, type: 'be32' },
    sourceRegister: { id: 7, type: 'be32' },
  },
  /** NFTA_FIB_*. */
  fib: {
    register: { id: 1, type: 'be32' },
    result: { id: 2, type: 'be32' },
    flags: { id: 3, type: 'be32' },
  },
  /** NFTA_HASH_*. */
  hash: {
    sourceRegister: { id: 1, type: 'be32' },
    register: { id: 2, type: 'be32' },
    length: { id: 3, type: 'be32' },
    modulus: { id: 4, type: 'be32' },
    seed: { id: 5, type: 'be32' },
    offset: { id: 6, type: 'be32' },
    type: { id: 7, type: 'be32' },
  },
  /** NFTA_IMMEDIATE_*. */
  immediate: { register: { id: 1, type: 'be32' }, data: { id: 2, type: data } },
  /** NFTA_LOG_*; group, snap length and threshold are 16 and 32 bits wide. */
  log: {
    group: { id: 1, type: 'be16' },
    prefix: { id: 2, type: 'string' },
    snapLength: { id: 3, type: 'be32' },
    queueThreshold: { id: 4, type: 'be16' },
    level: { id: 5, type: 'be32' },
    flags: { id: 6, type: 'be32' },
  },
  /** NFTA_LOOKUP_*. */
  lookup: {
    set: { id: 1, type: 'string' },
    sourceRegister: { id: 2, type: 'be32' },
    register: { id: 3, type: 'be32' },
    setId: { id: 4, type: 'be32' },
    flags: { id: 5, type: 'be32' },
  },
  /** NFTA_MASQ_*. */
  masq: {
    flags: { id: 1, type: 'be32' },
    portRegister: { id: 2, type: 'be32' },
    portMaxRegister: { id: 3, type: 'be32' },
  },
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
    addressMaxRegister: { id: 4, type: 'be32' },
    portRegister: { id: 5, type: 'be32' },
    portMaxRegister: { id: 6, type: 'be32' },
    flags: { id: 7, type: 'be32' },
  },
  /** It carries nothing. */
  notrack: {},
  /** NFTA_NG_*. */
  numgen: {
    register: { id: 1, type: 'be32' },
    modulus: { id: 2, type: 'be32' },
    type: { id: 3, type: 'be32' },
    offset: { id: 4, type: 'be32' },
  },
  /** NFTA_OBJREF_*. */
  objref: {
    type: { id: 1, type: 'be32' },
    name: { id: 2, type: 'string' },
    sourceRegister: { id: 3, type: 'be32' },
    set: { id: 4, type: 'string' },
    setId: { id: 5, type: 'be32' },
  },
  /** NFTA_PAYLOAD_*. */
  payload: {
    register: { id: 1, type: 'be32' },
    base: { id: 2, type: 'be32' },
    offset: { id: 3, type: 'be32' },
    length: { id: 4, type: 'be32' },
    sourceRegister: { id: 5, type: 'be32' },
    checksumType: { id: 6, type: 'be32' },
    checksumOffset: { id: 7, type: 'be32' },
    checksumFlags: { id: 8, type: 'be32' },
  },
  /** NFTA_RANGE_*. */
  range: {
    sourceRegister: { id: 1, type: 'be32' },
    operator: { id: 2, type: 'be32' },
    from: { id: 3, type: data },
    to: { id: 4, type: data },
  },
  /** NFTA_REDIR_*. */
  redir: {
    portRegister: { id: 1, type: 'be32' },
    portMaxRegister: { id: 2, type: 'be32' },
    flags: { id: 3, type: 'be32' },
  },
  /** NFTA_REJECT_*. */
  reject: { type: { id: 1, type: 'be32' }, code: { id: 2, type: 'u8' } },
  /** NFTA_RT_*. */
  rt: { register: { id: 1, type: 'be32' }, key: { id: 2, type: 'be32' } },
  /** NFTA_SOCKET_*. */
  socket: {
    key: { id: 1, type: 'be32' },
    register: { id: 2, type: 'be32' },
    level: { id: 3, type: 'be32' },
  },
  /** NFTA_TPROXY_*. */
  tproxy: {
    family: { id: 1, type: 'be32' },
    addressRegister: { id: 2, type: 'be32' },
    portRegister: { id: 3, type: 'be32' },
  },
} as const satisfies Record<string, AttributeTable>;

/** NFTA_EXPR_*. */
export const expressionAttributes = {
  name: { id: 1, type: 'string' },
  data: { id: 2, type: { choice: expressionData, by: 'name' } },
} as const satisfies AttributeTable;
