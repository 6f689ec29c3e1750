import type { AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/** struct tcmsg (linux/rtnetlink.h). */
export const tcmsg = struct('tcmsg', {
  family: 'u8',
  pad1: 'u8',
  pad2: 'u16',
  ifindex: 's32',
  handle: 'u32',
  parent: 'u32',
  info: 'u32',
});

/** TCA_STATS_* (linux/gen_stats.h). */
const statsAttributes = {
  basic: {
    id: 1,
    type: { struct: struct('gnet_stats_basic', { bytes: 'u64', packets: 'u32', pad: 'u32' }) },
  },
  queue: {
    id: 3,
    type: {
      struct: struct('gnet_stats_queue', {
        qlen: 'u32',
        backlog: 'u32',
        drops: 'u32',
        requeues: 'u32',
        overlimits: 'u32',
      }),
    },
  },
} as const satisfies AttributeTable;

/** TCA_*: what qdiscs, classes and filters have in common. */
export const tcAttributes = {
  kind: { id: 1, type: 'string' },
  stats: { id: 7, type: { nested: statsAttributes } },
  chain: { id: 11, type: 'u32' },
} as const satisfies AttributeTable;

/** The number of TCA_OPTIONS, whose form depends on the kind. */
export const TCA_OPTIONS = 2;
