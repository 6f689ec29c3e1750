import { Addr } from '../addr.ts';
import { Prefix } from '../prefix.ts';
import { ADDRESS_SPACE_V6 } from './address-space-v6.ts';
import type { AddressBlock, Kind, MulticastScope, SpecialPurpose } from './block.ts';
import { ADDRESS_CLASSES, type AddressClass, classOf } from './class.ts';
import { type Embedded, embeddedV4 } from './embedded.ts';
import { MULTICAST_V4 } from './multicast-v4.ts';
import { MULTICAST_V6, scopeOf } from './multicast-v6.ts';
import { cutSegments, segmentOf } from './segments.ts';
import { SPECIAL_V4 } from './special-v4.ts';
import { SPECIAL_V6 } from './special-v6.ts';

/** What an address is. */
export interface Classification {
  readonly family: 4 | 6;
  /** What the smallest block with the address holds. */
  readonly kind: Kind;
  /** IPv4 only; undefined for 0.0.0.0/8 and 127.0.0.0/8, which no class gives out. */
  readonly addressClass: AddressClass | undefined;
  /** The network part of the class, in bits; undefined for D and E, which have none. */
  readonly classPrefixBits: 8 | 16 | 24 | undefined;
  /** The blocks the address is in, the most specific first; none for ordinary IPv4 unicast. */
  readonly blocks: readonly AddressBlock[];
  /** The row of IANA's special-purpose registry that holds: the most specific. */
  readonly special: SpecialPurpose | undefined;
  /**
   * Whether datagrams to it may pass beyond an administrative domain: the registry's word where it
   * has one, that of the IPv4 address inside for 6to4 and Teredo; otherwise true for IPv4 unicast,
   * IPv6 global unicast, and multicast of global scope that is no documentation.
   */
  readonly isGlobal: boolean;
  /** How far multicast to it reaches; undefined for unicast. */
  readonly scope: MulticastScope | undefined;
  /** The IPv4 address inside an IPv6 address. */
  readonly embedded: Embedded | undefined;
}

const blocksV4 = smallestFirst([...SPECIAL_V4, ...MULTICAST_V4]);
const blocksV6 = smallestFirst([...SPECIAL_V6, ...MULTICAST_V6, ...ADDRESS_SPACE_V6]);

const segmentsV4 = cutSegments(
  4,
  [...blocksV4, ...ADDRESS_CLASSES].map(({ prefix }) => prefix),
  describeV4,
);
/** Flags and scope of a multicast address are its second octet. */
const multicastV6 = Array.from({ length: 256 }, (_, octet) =>
  Prefix.of(Addr.v6(0xff000000 | (octet << 16), 0, 0, 0), 16),
);
const segmentsV6 = cutSegments(
  6,
  [...blocksV6.map(({ prefix }) => prefix), ...multicastV6],
  describeV6,
);

/**
 * Says all that is known of an address without asking anybody. Addresses of the same blocks share one
 * value, unless an IPv4 address inside makes them different.
 */
export function classify(addr: Addr): Classification {
  if (addr.family === 4) return segmentOf(segmentsV4, addr);
  const common = segmentOf(segmentsV6, addr);
  const embedded = embeddedV4(addr);
  if (embedded === undefined) return common;
  const decides = embedded.embedding === '6to4' || embedded.embedding === 'teredo';
  return {
    family: 6,
    kind: common.kind,
    addressClass: undefined,
    classPrefixBits: undefined,
    blocks: common.blocks,
    special: common.special,
    isGlobal: decides ? classify(embedded.addr).isGlobal : common.isGlobal,
    scope: common.scope,
    embedded,
  };
}

function describeV4(first: Addr): Classification {
  const blocks = blocksV4.filter(({ prefix }) => prefix.contains(first));
  const row = classOf(first.w3 >>> 24);
  const kind = blocks[0]?.kind ?? 'global';
  const special = specialOf(blocks);
  const scope = blocks.find((block) => block.scope !== undefined)?.scope;
  return {
    family: 4,
    kind,
    addressClass: row?.addressClass,
    classPrefixBits: row?.networkBits,
    blocks,
    special,
    isGlobal: scope === undefined ? isReachable(special, true) : isGlobalGroup(scope, kind),
    scope,
    embedded: undefined,
  };
}

function describeV6(first: Addr): Classification {
  const blocks = blocksV6.filter(({ prefix }) => prefix.contains(first));
  const kind = blocks[0]?.kind ?? 'reserved';
  const special = specialOf(blocks);
  const scope = scopeOf(first);
  const isUnicast = blocks.some((block) => block.kind === 'global');
  return {
    family: 6,
    kind,
    addressClass: undefined,
    classPrefixBits: undefined,
    blocks,
    special,
    isGlobal: scope === undefined ? isReachable(special, isUnicast) : isGlobalGroup(scope, kind),
    scope,
    embedded: undefined,
  };
}

/** The most specific of the registry's rows holds. */
function specialOf(blocks: readonly AddressBlock[]): SpecialPurpose | undefined {
  return blocks.find((block) => block.special !== undefined)?.special;
}

/** The registry's row decides, and one that ended allows nothing. */
function isReachable(special: SpecialPurpose | undefined, otherwise: boolean): boolean {
  return special === undefined ? otherwise : special.globallyReachable === true;
}

function isGlobalGroup(scope: MulticastScope, kind: Kind): boolean {
  return scope === 'global' && kind !== 'documentation';
}

function smallestFirst(blocks: readonly AddressBlock[]): AddressBlock[] {
  return blocks.toSorted((a, b) => b.prefix.bits - a.prefix.bits);
}
