import type { Addr } from './addr.ts';
import { type Prefix, parsePrefix } from './prefix.ts';
import { SPECIAL_V4, SPECIAL_V6, type SpecialBlock } from './special-purpose.ts';

/** The historical classes of IPv4 addresses (RFC 791 section 3.2, RFC 1112 section 4). */
export type AddressClass = 'A' | 'B' | 'C' | 'D' | 'E';

/** What an address is. */
export interface Classification {
  readonly family: 4 | 6;
  /** IPv4 only; undefined for 0.0.0.0/8 and 127.0.0.0/8, which no class gives out. */
  readonly addressClass: AddressClass | undefined;
  /** The network part of the class, in bits; undefined for D and E, which have none. */
  readonly classPrefixBits: 8 | 16 | 24 | undefined;
  /** Blocks the address is in, the most specific first. */
  readonly special: readonly SpecialBlock[];
  /** Whether it may be met anywhere on the Internet. */
  readonly isGlobal: boolean;
}

const blocks = new Map<4 | 6, readonly { prefix: Prefix; block: SpecialBlock }[]>([
  [4, index(SPECIAL_V4)],
  [6, index(SPECIAL_V6)],
]);

/** Says what an address is: its class and the blocks with a meaning it is in. */
export function classify(addr: Addr): Classification {
  const special = (blocks.get(addr.family) ?? [])
    .filter(({ prefix }) => prefix.contains(addr))
    .map(({ block }) => block);
  const addressClass = addr.family === 4 ? classOf(addr.w3 >>> 24) : undefined;
  return {
    family: addr.family,
    addressClass,
    classPrefixBits: CLASS_BITS[addressClass ?? 'D'],
    special,
    isGlobal: special[0]?.global ?? true,
  };
}

const CLASS_BITS = { A: 8, B: 16, C: 24, D: undefined, E: undefined } as const;

function classOf(firstOctet: number): AddressClass | undefined {
  if (firstOctet === 0 || firstOctet === 127) return undefined;
  if (firstOctet < 128) return 'A';
  if (firstOctet < 192) return 'B';
  if (firstOctet < 224) return 'C';
  return firstOctet < 240 ? 'D' : 'E';
}

function index(table: readonly SpecialBlock[]): { prefix: Prefix; block: SpecialBlock }[] {
  return table
    .map((block) => ({ prefix: parsePrefix(block.prefix), block }))
    .sort((a, b) => b.prefix.bits - a.prefix.bits);
}
