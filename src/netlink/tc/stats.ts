import type { Attributes } from '../attribute.ts';
import type { tcAttributes } from './message.ts';

/** What a qdisc or class has counted. */
export interface TcStats {
  readonly bytes: bigint;
  readonly packets: number;
  readonly drops: number;
  readonly overlimits: number;
  readonly requeues: number;
  /** Packets that wait, and their octets. */
  readonly qlen: number;
  readonly backlogBytes: number;
}

export function decodeStats({ stats }: Attributes<typeof tcAttributes>): TcStats {
  const { bytes = 0n, packets = 0 } = stats?.basic ?? {};
  const { qlen = 0, backlog = 0, drops = 0, requeues = 0, overlimits = 0 } = stats?.queue ?? {};
  return { bytes, packets, drops, overlimits, requeues, qlen, backlogBytes: backlog };
}
