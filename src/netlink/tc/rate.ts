import { struct } from '../struct.ts';

/** The kernel's unit of time here: 64 ns (PSCHED_SHIFT 6, include/net/pkt_sched.h). */
const TICKS_PER_SECOND = 1e9 / 64;
const UINT32_MAX = 0xffff_ffff;
const TC_LINKLAYER_ETHERNET = 1; // linux/pkt_sched.h

/** struct tc_ratespec. A rate over 2^32 octets a second stands in an attribute of its own. */
export const tcRatespec = struct('tc_ratespec', {
  cellLog: 'u8',
  linklayer: 'u8',
  overhead: 'u16',
  cellAlign: 'u16',
  mpu: 'u16',
  rate: 'u32',
});

/** The ratespec of a rate. With the link layer said, the kernel wants no table of sizes. */
export function encodeRate(bytesPerSecond: number) {
  return { linklayer: TC_LINKLAYER_ETHERNET, rate: Math.min(bytesPerSecond, UINT32_MAX) };
}

/** The attribute beside the ratespec, where the rate needs it. */
export function encodeRate64(bytesPerSecond: number | undefined): bigint | undefined {
  return bytesPerSecond === undefined || bytesPerSecond < UINT32_MAX
    ? undefined
    : BigInt(bytesPerSecond);
}

export function decodeRate(
  ratespec: { readonly rate?: number } | undefined,
  rate64: bigint | undefined,
): number {
  return rate64 === undefined ? (ratespec?.rate ?? 0) : Number(rate64);
}

/** How long sending takes, in ticks; what takes over four minutes counts as that. */
export function ticksOf(bytes: number, bytesPerSecond: number): number {
  return Math.min(Math.floor((bytes / bytesPerSecond) * TICKS_PER_SECOND), UINT32_MAX);
}

/** How many octets are sent in `ticks`. */
export function bytesOf(ticks: number, bytesPerSecond: number): number {
  return Math.floor((ticks / TICKS_PER_SECOND) * bytesPerSecond);
}
