import type { Attributes, AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';
import { bytesOf, decodeRate, encodeRate, encodeRate64, tcRatespec, ticksOf } from './rate.ts';

/** TCA_TBF_* (linux/pkt_sched.h). */
export const tbfAttributes = {
  parms: {
    id: 1,
    type: {
      struct: struct('tc_tbf_qopt', {
        rate: { struct: tcRatespec },
        peakrate: { struct: tcRatespec },
        limit: 'u32',
        buffer: 'u32',
        mtu: 'u32',
      }),
    },
  },
  rate64: { id: 4, type: 'u64' },
  peakrate64: { id: 5, type: 'u64' },
  burst: { id: 6, type: 'u32' },
  peakburst: { id: 7, type: 'u32' },
} as const satisfies AttributeTable;

type TbfAttributes = Attributes<typeof tbfAttributes>;

/** A token bucket filter, tc-tbf(8): lets packets out at a rate and holds back the rest. */
export interface Tbf {
  readonly bytesPerSecond: number;
  /** What may go out at once after silence. */
  readonly burstBytes: number;
  /** What may wait; more is dropped. `tbfLimitBytes` gives it for a longest wait. */
  readonly limitBytes: number;
  /** The rate of a burst, by default none; then its bucket, at least the MTU. */
  readonly peakBytesPerSecond?: number | undefined;
  readonly peakBurstBytes?: number | undefined;
}

/** The limit at which no packet waits longer than `latencyMs`, as `latency` of tc-tbf(8). */
export function tbfLimitBytes(
  tbf: Pick<Tbf, 'bytesPerSecond' | 'burstBytes'>,
  latencyMs: number,
): number {
  return Math.floor((tbf.bytesPerSecond * latencyMs) / 1000 + tbf.burstBytes);
}

export function encodeTbf(tbf: Tbf): TbfAttributes {
  const { bytesPerSecond: rate, burstBytes, limitBytes: limit } = tbf;
  const { peakBytesPerSecond: peak, peakBurstBytes } = tbf;
  const hasPeak = peak !== undefined && peakBurstBytes !== undefined;
  return {
    parms: {
      rate: encodeRate(rate),
      limit,
      buffer: ticksOf(burstBytes, rate),
      ...(hasPeak ? { peakrate: encodeRate(peak), mtu: ticksOf(peakBurstBytes, peak) } : {}),
    },
    burst: burstBytes,
    rate64: encodeRate64(rate),
    peakrate64: encodeRate64(peak),
    peakburst: peakBurstBytes,
  };
}

/** The burst comes back as the time it takes, so it is exact to some octets only. */
export function decodeTbf({ parms, rate64, peakrate64 }: TbfAttributes): Tbf {
  const rate = decodeRate(parms?.rate, rate64);
  const peak = decodeRate(parms?.peakrate, peakrate64);
  return {
    bytesPerSecond: rate,
    burstBytes: bytesOf(parms?.buffer ?? 0, rate),
    limitBytes: parms?.limit ?? 0,
    ...(peak === 0
      ? {}
      : { peakBytesPerSecond: peak, peakBurstBytes: bytesOf(parms?.mtu ?? 0, peak) }),
  };
}
