import { bitsOf } from '../../flags.ts';
import type { Expression } from './expression.ts';
import { register } from './register.ts';

/* Expressions that put a value into registers; `word` is the first they fill. */

/** Where a payload offset counts from (enum nft_payload_bases). */
export const PAYLOAD_BASE = { link: 0, network: 1, transport: 2 } as const;
export type PayloadBase = keyof typeof PAYLOAD_BASE;

/** Loads `length` bytes of the packet. */
export function loadPayload(
  base: PayloadBase,
  offset: number,
  length: number,
  word: number,
): Expression {
  const payload = { register: register(word), base: PAYLOAD_BASE[base], offset, length };
  return { name: 'payload', data: { payload } };
}

/** What is known of a packet beside its bytes (enum nft_meta_keys), by nft(8)'s names. */
export const META_KEY = {
  length: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  oiftype: 9,
  skuid: 10,
  skgid: 11,
  nftrace: 12,
  rtclassid: 13,
  nfproto: 15,
  l4proto: 16,
  ibrname: 17,
  obrname: 18,
  pkttype: 19,
  cpu: 20,
  iifgroup: 21,
  oifgroup: 22,
  cgroup: 23,
  random: 24,
  iifkind: 26,
  oifkind: 27,
  sdif: 33,
  sdifname: 34,
} as const;
export type MetaKey = keyof typeof META_KEY;

/** Loads what is known of the packet: marks, interface numbers and the like in host order. */
export function loadMeta(key: MetaKey, word: number): Expression {
  return { name: 'meta', data: { meta: { register: register(word), key: META_KEY[key] } } };
}

/** What is known of a packet's connection (enum nft_ct_keys), by nft(8)'s names. */
export const CT_KEY = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  expiration: 5,
  helper: 6,
  l3proto: 7,
  src: 8,
  dst: 9,
  protocol: 10,
  protoSrc: 11,
  protoDst: 12,
  label: 13,
  packets: 14,
  bytes: 15,
  avgpkt: 16,
  zone: 17,
  event: 18,
  srcIp: 19,
  dstIp: 20,
  srcIp6: 21,
  dstIp6: 22,
  id: 23,
} as const;
export type CtKey = keyof typeof CT_KEY;

/** Whose side of a connection: that of its first packet or that of the replies. */
const DIRECTION = { original: 0, reply: 1 } as const;
export type Direction = keyof typeof DIRECTION;

/** Loads what is known of the packet's connection; addresses and ports need a direction. */
export function loadCt(key: CtKey, word: number, direction?: Direction): Expression {
  const ct = { register: register(word), key: CT_KEY[key] };
  if (direction === undefined) return { name: 'ct', data: { ct } };
  return { name: 'ct', data: { ct: { ...ct, direction: DIRECTION[direction] } } };
}

/** enum nft_rt_keys, by nft(8)'s names. */
const RT_KEY = { classid: 0, nexthop4: 1, nexthop6: 2, mtu: 3 } as const;

/** Loads what is known of the packet's route; `mtu` is the TCP segment size, in host order. */
export function loadRoute(key: keyof typeof RT_KEY, word: number): Expression {
  return { name: 'rt', data: { rt: { register: register(word), key: RT_KEY[key] } } };
}

/** enum nft_socket_keys, by nft(8)'s names. */
const SOCKET_KEY = { transparent: 0, mark: 1, wildcard: 2 } as const;

/** Loads what is known of the socket the packet is for; without one the rule ends. */
export function loadSocket(key: keyof typeof SOCKET_KEY, word: number): Expression {
  return { name: 'socket', data: { socket: { key: SOCKET_KEY[key], register: register(word) } } };
}

/** enum nft_fib_result, by nft(8)'s names. */
const FIB_RESULT = { oif: 1, oifname: 2, type: 3 } as const;
/** enum nft_fib_flags: what is looked up, and with what beside it. */
const FIB_FLAG = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16, present: 32 } as const;

/** What a fib lookup gives for local addresses with the result `type` (RTN_LOCAL). */
export const RTN_LOCAL = 2;

/** Asks the routing tables, as in `fib saddr . iif oif`; with `present`, whether there is a route. */
export function loadFib(
  result: keyof typeof FIB_RESULT,
  by: readonly (keyof typeof FIB_FLAG)[],
  word: number,
): Expression {
  const flags = bitsOf(FIB_FLAG, by);
  const fib = { register: register(word), result: FIB_RESULT[result], flags };
  return { name: 'fib', data: { fib } };
}

/** enum nft_ng_types. */
const NUMBER_TYPE = { inc: 0, random: 1 } as const;

/** Loads a number from `offset` to `offset + modulus - 1`, counted up or random, in host order. */
export function loadNumber(
  type: keyof typeof NUMBER_TYPE,
  modulus: number,
  word: number,
  offset = 0,
): Expression {
  const numgen = { register: register(word), modulus, type: NUMBER_TYPE[type], offset };
  return { name: 'numgen', data: { numgen } };
}

const NFT_HASH_JENKINS = 0;
const NFT_HASH_SYM = 1;

/** A hash of registers that is a number from 0 to `modulus - 1`, in host order. */
export interface Hash {
  readonly fromWord: number;
  readonly lengthBytes: number;
  readonly modulus: number;
  /** The same seed gives the same numbers; without one the kernel draws it. */
  readonly seed?: number;
}

/** Loads Jenkins' hash of registers. */
export function loadHash(hash: Hash, word: number): Expression {
  const { fromWord, lengthBytes, modulus, seed } = hash;
  const data = {
    sourceRegister: register(fromWord),
    register: register(word),
    length: lengthBytes,
    modulus,
    ...(seed === undefined ? {} : { seed }),
    type: NFT_HASH_JENKINS,
  };
  return { name: 'hash', data: { hash: data } };
}

/** Loads a hash of the packet's addresses and ports, the same in both directions. */
export function loadSymmetricHash(modulus: number, word: number): Expression {
  const hash = { register: register(word), modulus, type: NFT_HASH_SYM };
  return { name: 'hash', data: { hash } };
}

const NFT_EXTHDR_OP_IPV6 = 0;
export const NFT_EXTHDR_OP_TCPOPT = 1;
const NFT_EXTHDR_F_PRESENT = 1;

/** Loads bytes of a TCP option, such as 2 at 2 of `maxseg` (kind 2); without it the rule ends. */
export function loadTcpOption(
  kind: number,
  offset: number,
  length: number,
  word: number,
): Expression {
  return extension(NFT_EXTHDR_OP_TCPOPT, kind, offset, length, 0, word);
}

/** Loads one byte: whether the IPv6 packet has an extension header of this type. */
export function loadIpv6HeaderPresent(type: number, word: number): Expression {
  return extension(NFT_EXTHDR_OP_IPV6, type, 0, 1, NFT_EXTHDR_F_PRESENT, word);
}

function extension(
  operation: number,
  type: number,
  offset: number,
  length: number,
  flags: number,
  word: number,
): Expression {
  const exthdr = { register: register(word), type, offset, length, flags, operation };
  return { name: 'exthdr', data: { exthdr } };
}

/** Loads fixed bytes. */
export function loadImmediate(value: Uint8Array, word: number): Expression {
  return { name: 'immediate', data: { immediate: { register: register(word), data: { value } } } };
}
