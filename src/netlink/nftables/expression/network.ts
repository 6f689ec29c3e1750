import { Prefix } from '../../../ipaddr/prefix.ts';
import { NFPROTO } from '../family.ts';
import type { Expression } from './expression.ts';
import { loadMeta, loadPayload } from './load.ts';
import { compare, maskXor } from './match.ts';

/** Where an address is in the header (RFC 791 section 3.1, RFC 8200 section 3). */
const OFFSET = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** The packet is of this family; what a table of the family inet has to ask first. */
export function matchNfproto(family: 4 | 6, word: number): Expression[] {
  const number = family === 4 ? NFPROTO.ip : NFPROTO.ip6;
  return [loadMeta('nfproto', word), compare('==', Uint8Array.of(number), word)];
}

/**
 * An address of the packet is in a network, or is not. As nft(8) does it: whole octets are compared
 * alone, a part of one under a mask.
 */
export function matchPrefix(
  which: 'source' | 'destination',
  operator: '==' | '!=',
  network: Prefix,
  word: number,
): Expression[] {
  const { addr, bits } = network;
  const whole = bits % 8 === 0 && bits > 0;
  const bytes = whole ? addr.toBytes().subarray(0, bits / 8) : addr.toBytes();
  return [
    loadPayload('network', OFFSET[addr.family][which], bytes.length, word),
    ...(whole ? [] : [maskXor(maskOf(network), new Uint8Array(bytes.length), word)]),
    compare(operator, bytes, word),
  ];
}

/** The bits that are the same in the network's first and last address. */
function maskOf({ addr, bits }: Prefix): Uint8Array {
  const first = addr.toBytes();
  const last = Prefix.of(addr, bits).last().toBytes();
  return first.map((octet, index) => ~(octet ^ (last[index] ?? 0)));
}
