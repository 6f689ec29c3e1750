import type { Expression, StatefulExpression } from './expression.ts';
import {
  CT_KEY,
  type CtKey,
  META_KEY,
  type MetaKey,
  NFT_EXTHDR_OP_TCPOPT,
  PAYLOAD_BASE,
  type PayloadBase,
} from './load.ts';
import { type SetRef, setReference } from './match.ts';
import { register } from './register.ts';

/* Expressions that write registers, from `word` on, into the packet or what is kept of it. */

/** What of a packet a rule can set. */
export type SettableMetaKey = Extract<MetaKey, 'mark' | 'priority' | 'nftrace' | 'pkttype'>;

/** Sets the packet's mark, priority and the like. */
export function storeMeta(key: SettableMetaKey, word: number): Expression {
  return { name: 'meta', data: { meta: { key: META_KEY[key], sourceRegister: register(word) } } };
}

/** What of a connection a rule can set. */
export type SettableCtKey = Extract<CtKey, 'mark' | 'label' | 'zone' | 'event'>;

/** Sets the connection's mark and the like; the zone must be set before tracking begins. */
export function storeCt(key: SettableCtKey, word: number): Expression {
  return { name: 'ct', data: { ct: { key: CT_KEY[key], sourceRegister: register(word) } } };
}

const NFT_PAYLOAD_CSUM_NONE = 0;
const NFT_PAYLOAD_CSUM_INET = 1;
const NFT_PAYLOAD_L4CSUM_PSEUDOHDR = 1;

/** The checksum that a changed field is part of. */
export interface Checksum {
  /** Where it is, from the same base. */
  readonly offset: number;
  /** The field is part of the transport's pseudo header too: it is an address. */
  readonly pseudoHeader?: boolean;
}

/** Writes `length` bytes into the packet. */
export function storePayload(
  base: PayloadBase,
  offset: number,
  length: number,
  word: number,
  checksum?: Checksum,
): Expression {
  const payload = {
    sourceRegister: register(word),
    base: PAYLOAD_BASE[base],
    offset,
    length,
    checksumType: checksum === undefined ? NFT_PAYLOAD_CSUM_NONE : NFT_PAYLOAD_CSUM_INET,
    checksumOffset: checksum?.offset ?? 0,
    checksumFlags: checksum?.pseudoHeader === true ? NFT_PAYLOAD_L4CSUM_PSEUDOHDR : 0,
  };
  return { name: 'payload', data: { payload } };
}

/** Writes bytes of a TCP option, such as 2 at 2 of `maxseg` (kind 2), in network order. */
export function storeTcpOption(
  kind: number,
  offset: number,
  length: number,
  word: number,
): Expression {
  const exthdr = {
    type: kind,
    offset,
    length,
    operation: NFT_EXTHDR_OP_TCPOPT,
    sourceRegister: register(word),
  };
  return { name: 'exthdr', data: { exthdr } };
}

/** Lets connection tracking pass the packet over. */
export function notrack(): Expression {
  return { name: 'notrack' };
}

/** enum nft_dynset_ops. */
const DYNSET_OPERATION = { add: 0, update: 1, delete: 2 } as const;

/** How a rule changes a set from the packet path. */
export interface Dynset {
  /** `update` also starts the element's timeout again where there is one already. */
  readonly operation: keyof typeof DYNSET_OPERATION;
  readonly set: SetRef;
  readonly keyWord: number;
  /** What a map shall hold. */
  readonly dataWord?: number;
  /** In milliseconds; 0 or none is the set's own. */
  readonly timeoutMs?: number;
  /** What each element counts or limits; it ends the rule where it does not hold. */
  readonly expressions?: readonly StatefulExpression[];
}

/** Adds to, updates in or deletes from a set with the flag `dynamic`: `update @s { ip saddr }`. */
export function dynset(change: Dynset): Expression {
  const { operation, set, keyWord, dataWord, timeoutMs = 0, expressions = [] } = change;
  const [first] = expressions;
  const data = {
    ...setReference(set),
    operation: DYNSET_OPERATION[operation],
    keyRegister: register(keyWord),
    ...(dataWord === undefined ? {} : { dataRegister: register(dataWord) }),
    timeoutMs: BigInt(timeoutMs),
    ...(first === undefined
      ? {}
      : expressions.length === 1
        ? { expression: first }
        : { expressions }),
    flags: 0,
  };
  return { name: 'dynset', data: { dynset: data } };
}
