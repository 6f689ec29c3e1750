import type { Attributes, AttributeTable } from '../attribute.ts';

/** TCA_FQ_CODEL_* (linux/pkt_sched.h), tc-fq_codel(8). */
export const fqCodelAttributes = {
  targetUs: { id: 1, type: 'u32' },
  /** Packets, as all limits here that are not octets. */
  limit: { id: 2, type: 'u32' },
  intervalUs: { id: 3, type: 'u32' },
  ecn: { id: 4, type: 'u32' },
  flows: { id: 5, type: 'u32' },
  quantumBytes: { id: 6, type: 'u32' },
  ceThresholdUs: { id: 7, type: 'u32' },
  dropBatch: { id: 8, type: 'u32' },
  memoryLimitBytes: { id: 9, type: 'u32' },
} as const satisfies AttributeTable;

/** Fair queues, each with controlled delay (RFC 8290). */
export type FqCodel = Attributes<typeof fqCodelAttributes>;
