import { ENODEV } from '../../../sys/errno.ts';
import { DecodeError, type Layout } from '../../attribute.ts';
import { decodePayload, encodePayload } from '../../message.ts';
import { happens } from '../../outcome.ts';
import type { Writer } from '../../writer.ts';
import type { RouteConnection } from '../connection.ts';
import { ifinfomsg, RTM_GETLINK } from './table.ts';

/** struct rtnl_link_stats64 (linux/if_link.h): its fields in their order, each a u64. */
const FIELDS = [
  'rxPackets',
  'txPackets',
  'rxBytes',
  'txBytes',
  'rxErrors',
  'txErrors',
  'rxDropped',
  'txDropped',
  'multicast',
  'collisions',
  'rxLengthErrors',
  'rxOverErrors',
  'rxCrcErrors',
  'rxFrameErrors',
  'rxFifoErrors',
  'rxMissedErrors',
  'txAbortedErrors',
  'txCarrierErrors',
  'txFifoErrors',
  'txHeartbeatErrors',
  'txWindowErrors',
] as const;

/** What a link has counted since it was made. */
export type LinkStats = Readonly<Record<(typeof FIELDS)[number], bigint>>;

const stats64: Layout<LinkStats> = {
  encode(writer, value) {
    for (const field of FIELDS) writer.u64(value[field]);
  },
  decode(bytes) {
    const sizeBytes = FIELDS.length * 8;
    if (bytes.length < sizeBytes) {
      throw new DecodeError('', `${bytes.length} bytes, expected ${sizeBytes}`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const entries = FIELDS.map((field, at) => [field, view.getBigUint64(at * 8, true)]);
    return Object.fromEntries(entries) as LinkStats;
  },
};

/** The counters alone, for whoever lists links seldom wants them. */
const statsPayload = {
  header: ifinfomsg,
  attributes: { stats64: { id: 23, type: stats64 } }, // IFLA_STATS64
} as const;

/** What the link `index` has counted, or undefined when there is no such link. */
export function linkStats(connection: RouteConnection, index: number): LinkStats | undefined {
  const request = {
    operation: `get counters of link ${index}`,
    type: RTM_GETLINK,
    write: (writer: Writer) => encodePayload(writer, statsPayload, { index }, {}),
  };
  let stats: LinkStats | undefined;
  happens(ENODEV, () =>
    connection.netlink.execute(request, (message) => {
      stats = decodePayload(statsPayload, message.payload).attributes.stats64;
    }),
  );
  return stats;
}
