import { bitsOf } from '../../flags.ts';
import { hostU32 } from '../value.ts';
import type { Expression } from './expression.ts';
import { loadCt, loadFib, loadMeta, RTN_LOCAL } from './load.ts';
import { NFT_REG_VERDICT, register } from './register.ts';

/* Expressions that compare or change what is in registers; one that does not hold ends the rule. */

/** enum nft_cmp_ops, by nft(8)'s signs. Order is that of bytes, so numbers in network order. */
const COMPARISON = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 } as const;

/** Compares the registers from `word` on with `value`. */
export function compare(
  operator: keyof typeof COMPARISON,
  value: Uint8Array,
  word: number,
): Expression {
  const cmp = {
    sourceRegister: register(word),
    operator: COMPARISON[operator],
    data: { value },
  };
  return { name: 'cmp', data: { cmp } };
}

/** enum nft_range_ops. */
const RANGE_OPERATOR = { '==': 0, '!=': 1 } as const;

/** Whether the registers from `word` on are within `from` and `to`, both included, or not. */
export function compareRange(
  operator: keyof typeof RANGE_OPERATOR,
  from: Uint8Array,
  to: Uint8Array,
  word: number,
): Expression {
  const range = {
    sourceRegister: register(word),
    operator: RANGE_OPERATOR[operator],
    from: { value: from },
    to: { value: to },
  };
  return { name: 'range', data: { range } };
}

/** enum nft_bitwise_ops. */
const BITWISE = { maskXor: 0, '<<': 1, '>>': 2 } as const;

/** Replaces the registers from `word` on by `(value & mask) ^ xor`. */
export function maskXor(mask: Uint8Array, xor: Uint8Array, word: number): Expression {
  const at = register(word);
  const bitwise = {
    sourceRegister: at,
    register: at,
    length: mask.length,
    operation: BITWISE.maskXor,
    mask: { value: mask },
    xor: { value: xor },
  };
  return { name: 'bitwise', data: { bitwise } };
}

/** Shifts the 32 bits in `word`. */
export function shift(direction: '<<' | '>>', bits: number, word: number): Expression {
  const at = register(word);
  const bitwise = {
    sourceRegister: at,
    register: at,
    length: 4,
    operation: BITWISE[direction],
    data: { value: hostU32(bits) },
  };
  return { name: 'bitwise', data: { bitwise } };
}

/** enum nft_byteorder_ops. */
const BYTE_ORDER = { toHost: 0, toNetwork: 1 } as const;

/** Changes the byte order of the numbers of `size` bytes in `length` bytes from `word` on. */
export function byteOrder(
  to: keyof typeof BYTE_ORDER,
  length: number,
  size: 2 | 4 | 8,
  word: number,
): Expression {
  const at = register(word);
  const operation = BYTE_ORDER[to];
  return {
    name: 'byteorder',
    data: { byteorder: { sourceRegister: at, register: at, operation, length, size } },
  };
}

/** A set of the same table by its name, or one without a name that the same batch makes. */
export type SetRef = string | { readonly name: string; readonly id: number };

/** The fields that refer to a set. */
export function setReference(set: SetRef): { readonly set: string; readonly setId?: number } {
  return typeof set === 'string' ? { set } : { set: set.name, setId: set.id };
}

const NFT_LOOKUP_F_INV = 1;

/** Whether the registers from `word` on are in a set. */
export function lookup(set: SetRef, word: number): Expression {
  return lookupData(set, word, undefined, 0);
}

/** Whether the registers from `word` on are not in a set. */
export function lookupInverted(set: SetRef, word: number): Expression {
  return lookupData(set, word, undefined, NFT_LOOKUP_F_INV);
}

/** Looks registers from `word` on up in a map and loads what it holds into `toWord` on. */
export function lookupMap(set: SetRef, word: number, toWord: number): Expression {
  return lookupData(set, word, register(toWord), 0);
}

/** Looks registers from `word` on up in a verdict map and does what it says. */
export function lookupVerdict(set: SetRef, word: number): Expression {
  return lookupData(set, word, NFT_REG_VERDICT, 0);
}

function lookupData(
  set: SetRef,
  word: number,
  toRegister: number | undefined,
  flags: number,
): Expression {
  const data = {
    ...setReference(set),
    sourceRegister: register(word),
    ...(toRegister === undefined ? {} : { register: toRegister }),
    flags,
  };
  return { name: 'lookup', data: { lookup: data } };
}

/** enum ip_conntrack_status (linux/netfilter/nf_conntrack_common.h), the NAT bits. */
const NAT_STATUS = { snat: 0x10, dnat: 0x20 } as const;

/** Whether the connection's source or destination was translated: `ct status dnat`. */
export function matchCtStatus(status: keyof typeof NAT_STATUS, word: number): Expression[] {
  return [loadCt('status', word), ...matchAnyBit(NAT_STATUS[status], word)];
}

/** The bits of `ct state` (NF_CT_STATE_BIT). */
const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** Whether the connection is in one of the states: `ct state established,related`. */
export function matchCtState(
  states: readonly (keyof typeof CT_STATE)[],
  word: number,
): Expression[] {
  return [loadCt('state', word), ...matchAnyBit(bitsOf(CT_STATE, states), word)];
}

/** Whether any of `bits` is set in the 32 bits of host order in `word`. */
function matchAnyBit(bits: number, word: number): Expression[] {
  const zero = hostU32(0);
  return [maskXor(hostU32(bits), zero, word), compare('!=', zero, word)];
}

/** Whether the destination is an address of this node: `fib daddr type local`. */
export function matchLocalDestination(word: number): Expression[] {
  return [loadFib('type', ['daddr'], word), compare('==', hostU32(RTN_LOCAL), word)];
}

/** Whether the transport protocol is the one with this IANA number. */
export function matchTransportProtocol(protocol: number, word: number): Expression[] {
  return [loadMeta('l4proto', word), compare('==', Uint8Array.of(protocol), word)];
}
