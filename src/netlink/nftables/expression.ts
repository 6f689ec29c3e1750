import type { Attributes } from '../attribute.ts';
import type { expressionAttributes } from './attributes.ts';

/**
 * One step of a rule. The kernel runs a rule's expressions from left to right over a set of
 * registers; the first that does not match ends the rule.
 */
export type Expression = Attributes<typeof expressionAttributes>;

/**
 * The register that begins at the 4-byte word with the number `word`, 0 to 15. A longer value takes
 * the words that follow, so keys of several fields are laid out side by side. Every fourth word has
 * a name of its own (NFT_REG_1 to NFT_REG_4), and the kernel lists it by that.
 */
function register(word: number): number {
  const NFT_REG32_00 = 8;
  return word % 4 === 0 ? 1 + word / 4 : NFT_REG32_00 + word;
}

/** Where a payload offset counts from (enum nft_payload_bases). */
export const PAYLOAD_NETWORK = 1;
export const PAYLOAD_TRANSPORT = 2;

/** Loads `length` bytes of the packet into registers from `word` on. */
export function loadPayload(
  base: number,
  offset: number,
  length: number,
  word: number,
): Expression {
  return { name: 'payload', data: { payload: { register: register(word), base, offset, length } } };
}

const NFT_META_L4PROTO = 16;

/** Loads the transport protocol's number. */
export function loadTransportProtocol(word: number): Expression {
  return { name: 'meta', data: { meta: { register: register(word), key: NFT_META_L4PROTO } } };
}

const NFT_META_PRIORITY = 2;

/** Sets the packet's priority (SO_PRIORITY, socket(7)) to the 4 bytes in `word`. */
export function storePriority(word: number): Expression {
  const data = { key: NFT_META_PRIORITY, sourceRegister: register(word) };
  return { name: 'meta', data: { meta: data } };
}

/** Loads the packet's priority. */
export function loadPriority(word: number): Expression {
  return { name: 'meta', data: { meta: { register: register(word), key: NFT_META_PRIORITY } } };
}

/** Looks registers from `word` on up in a set; no match ends the rule. */
export function lookup(set: string, word: number): Expression {
  return { name: 'lookup', data: { lookup: { set, sourceRegister: register(word) } } };
}

/** Looks registers from `word` on up in a map and loads what it holds into `toWord` on. */
export function lookupMap(set: string, word: number, toWord: number): Expression {
  const data = { set, sourceRegister: register(word), register: register(toWord) };
  return { name: 'lookup', data: { lookup: data } };
}

const NFT_REG_VERDICT = 0;

/** Looks registers from `word` on up in a verdict map and does what it says. */
export function lookupVerdict(set: string, word: number): Expression {
  const data = { set, sourceRegister: register(word), register: NFT_REG_VERDICT };
  return { name: 'lookup', data: { lookup: data } };
}

const NFT_NG_RANDOM = 1;

/** Loads a random number from 0 to `modulus` - 1, in host byte order. */
export function loadRandom(modulus: number, word: number): Expression {
  const data = { register: register(word), modulus, type: NFT_NG_RANDOM };
  return { name: 'numgen', data: { numgen: data } };
}

const NFT_NAT_DNAT = 1;

/** Sends the connection to the address in `addressWord` on and the port in `portWord`. */
export function destinationNat(nfproto: number, addressWord: number, portWord: number): Expression {
  const data = {
    type: NFT_NAT_DNAT,
    family: nfproto,
    addressRegister: register(addressWord),
    protocolRegister: register(portWord),
  };
  return { name: 'nat', data: { nat: data } };
}

const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 0x10;

/** Gives the connection an address of this node as its source, from a port chosen at random. */
export function masquerade(): Expression {
  return { name: 'masq', data: { masq: { flags: NF_NAT_RANGE_PROTO_RANDOM_FULLY } } };
}

const NFT_CT_STATUS = 2;
const NFT_CMP_NEQ = 1;
const IPS_DST_NAT = 0x20;

/** Matches packets of connections whose destination was translated: `ct status dnat`. */
export function matchDestinationNat(word: number): Expression[] {
  const zero = new Uint8Array(4);
  const mask = new Uint8Array(4);
  new DataView(mask.buffer).setUint32(0, IPS_DST_NAT, true);
  const at = register(word);
  return [
    { name: 'ct', data: { ct: { register: at, key: NFT_CT_STATUS } } },
    {
      name: 'bitwise',
      data: {
        bitwise: {
          sourceRegister: at,
          register: at,
          length: 4,
          mask: { value: mask },
          xor: { value: zero },
        },
      },
    },
    {
      name: 'cmp',
      data: { cmp: { sourceRegister: at, operator: NFT_CMP_NEQ, data: { value: zero } } },
    },
  ];
}

const NFT_REJECT_ICMP_UNREACH = 0;
const ICMP_PORT_UNREACH = 3;
const ICMPV6_PORT_UNREACH = 4;

/** Answers with "port unreachable", so that a client fails at once. */
export function reject(family: 4 | 6): Expression {
  const code = family === 4 ? ICMP_PORT_UNREACH : ICMPV6_PORT_UNREACH;
  return { name: 'reject', data: { reject: { type: NFT_REJECT_ICMP_UNREACH, code } } };
}

const NFT_JUMP = 0xfffffffd;
/** NFT_GOTO, the verdict to go on in a chain and not come back. */
export const VERDICT_GOTO = 0xfffffffc;

/** Goes on in `chain` and comes back at its end. */
export function jump(chain: string): Expression {
  const data = {
    register: NFT_REG_VERDICT,
    data: { verdict: { code: NFT_JUMP, chain } },
  };
  return { name: 'immediate', data: { immediate: data } };
}
