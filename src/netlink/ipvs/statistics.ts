import type { Attributes } from '../attribute.ts';
import type { serviceAttributes } from './attributes.ts';

/**
 * What was counted since the start or the last reset, and the rates of the last seconds. The kernel
 * adds up what its processors counted every two seconds, so the newest may be missing.
 */
export interface Statistics {
  readonly connections: bigint;
  readonly inPackets: bigint;
  readonly outPackets: bigint;
  readonly inBytes: bigint;
  readonly outBytes: bigint;
  readonly connectionsPerSecond: bigint;
  readonly inPacketsPerSecond: bigint;
  readonly outPacketsPerSecond: bigint;
  readonly inBytesPerSecond: bigint;
  readonly outBytesPerSecond: bigint;
}

const NONE: Statistics = {
  connections: 0n,
  inPackets: 0n,
  outPackets: 0n,
  inBytes: 0n,
  outBytes: 0n,
  connectionsPerSecond: 0n,
  inPacketsPerSecond: 0n,
  outPacketsPerSecond: 0n,
  inBytesPerSecond: 0n,
  outBytesPerSecond: 0n,
};

/** The statistics of a listing; what the kernel does not tell is 0. */
export function decodeStatistics(
  wire: Attributes<typeof serviceAttributes>['statistics'],
): Statistics {
  const known = Object.entries(wire ?? {}).filter(([name]) => name in NONE);
  return { ...NONE, ...Object.fromEntries(known) };
}
