import { Addr } from '../../ipaddr/addr.ts';
import type { Mac } from '../../ipaddr/mac.ts';
import { Prefix } from '../../ipaddr/prefix.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { addr, mac } from '../layout.ts';
import { actionsType } from './action.ts';
import { ETH_P_ALL } from './protocol.ts';

const IPPROTO_TCP = 6; // linux/in.h
const IPPROTO_UDP = 17;
const ALL_ONES = 0xffff_ffff;
const ALL_ONES_4 = Addr.v4(ALL_ONES);
const ALL_ONES_6 = Addr.v6(ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES);

/** TCA_FLOWER_* (linux/pkt_cls.h), tc-flower(8). What is left out matches all. */
export const flowerAttributes = {
  classId: { id: 1, type: 'u32' },
  actions: { id: 3, type: actionsType },
  ethDst: { id: 4, type: mac },
  ethDstMask: { id: 5, type: mac },
  ethSrc: { id: 6, type: mac },
  ethSrcMask: { id: 7, type: mac },
  /** The filter's protocol once more; the kernel wants it for all that follow. */
  ethType: { id: 8, type: 'be16' },
  ipProto: { id: 9, type: 'u8' },
  src4: { id: 10, type: addr },
  src4Mask: { id: 11, type: addr },
  dst4: { id: 12, type: addr },
  dst4Mask: { id: 13, type: addr },
  src6: { id: 14, type: addr },
  src6Mask: { id: 15, type: addr },
  dst6: { id: 16, type: addr },
  dst6Mask: { id: 17, type: addr },
  tcpSrc: { id: 18, type: 'be16' },
  tcpDst: { id: 19, type: 'be16' },
  udpSrc: { id: 20, type: 'be16' },
  udpDst: { id: 21, type: 'be16' },
} as const satisfies AttributeTable;

type FlowerAttributes = Attributes<typeof flowerAttributes>;

/** Which packets, by their headers. */
export interface Flower {
  readonly ethSrc?: Mac | undefined;
  readonly ethDst?: Mac | undefined;
  /** These need the filter's protocol to be that of the family: ETH_P_IP or ETH_P_IPV6. */
  readonly src?: Prefix | undefined;
  readonly dst?: Prefix | undefined;
  /** IPPROTO_*; ports need it to be TCP or UDP. */
  readonly ipProto?: number | undefined;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
}

/** `protocol` is the filter's. Throws RangeError for ports of neither TCP nor UDP. */
export function encodeFlower(flower: Flower, protocol: number): FlowerAttributes {
  const { ethSrc, ethDst, src, dst, ipProto, sport, dport } = flower;
  const hasPorts = sport !== undefined || dport !== undefined;
  if (hasPorts && ipProto !== IPPROTO_TCP && ipProto !== IPPROTO_UDP) {
    throw new RangeError(`flower: ports with ipProto ${ipProto ?? 'undefined'}, expected 6 or 17`);
  }
  return {
    ethSrc,
    ethDst,
    ethType: protocol === ETH_P_ALL ? undefined : protocol,
    ipProto,
    ...(src?.addr.family === 4 ? { src4: src.addr, src4Mask: maskOf(src) } : {}),
    ...(dst?.addr.family === 4 ? { dst4: dst.addr, dst4Mask: maskOf(dst) } : {}),
    ...(src?.addr.family === 6 ? { src6: src.addr, src6Mask: maskOf(src) } : {}),
    ...(dst?.addr.family === 6 ? { dst6: dst.addr, dst6Mask: maskOf(dst) } : {}),
    ...(ipProto === IPPROTO_TCP ? { tcpSrc: sport, tcpDst: dport } : {}),
    ...(ipProto === IPPROTO_UDP ? { udpSrc: sport, udpDst: dport } : {}),
  };
}

/** Masks that are no prefix, which others may have made, come back as their leading ones. */
export function decodeFlower(attributes: FlowerAttributes): Flower {
  const { src4, src6, dst4, dst6 } = attributes;
  return {
    ethSrc: attributes.ethSrc,
    ethDst: attributes.ethDst,
    src: prefixOf(src4 ?? src6, attributes.src4Mask ?? attributes.src6Mask),
    dst: prefixOf(dst4 ?? dst6, attributes.dst4Mask ?? attributes.dst6Mask),
    ipProto: attributes.ipProto,
    sport: attributes.tcpSrc ?? attributes.udpSrc,
    dport: attributes.tcpDst ?? attributes.udpDst,
  };
}

function maskOf({ addr: { family }, bits }: Prefix): Addr {
  return Prefix.of(family === 4 ? ALL_ONES_4 : ALL_ONES_6, bits).masked().addr;
}

function prefixOf(address: Addr | undefined, mask: Addr | undefined): Prefix | undefined {
  if (address === undefined) return undefined;
  let bits = 0;
  while (mask !== undefined && bits < address.bits && isOne(mask, bits)) bits += 1;
  return Prefix.of(address, bits);
}

function isOne(mask: Addr, bit: number): boolean {
  return ((mask.toBytes()[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}
