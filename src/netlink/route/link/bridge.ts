import { Mac } from '../../../ipaddr/mac.ts';
import { type Attributes, type AttributeTable, DecodeError, type Layout } from '../../attribute.ts';
import { bool, mac, maskedFlags, named } from '../../layout.ts';
import { vlanProtocol } from './vlan.ts';

/** What the spanning tree calls a bridge: its priority and its address. */
interface BridgeId {
  readonly priority: number;
  readonly mac: Mac;
}

/** struct ifla_bridge_id. */
const bridgeId: Layout<BridgeId> = {
  encode(writer, value) {
    writer.u16(value.priority, false);
    writer.raw(value.mac.toBytes());
  },
  decode(bytes) {
    if (bytes.length !== 8) throw new DecodeError('', `${bytes.length} bytes, expected 8`);
    const priority = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0);
    return { priority, mac: Mac.fromBytes(bytes.subarray(2)) };
  },
};

/** A clock_t as a u64, hundredths of a second; none gets near 2^53. */
const centiseconds: Layout<number> = {
  encode: (writer, value) => writer.u64(BigInt(value)),
  decode(bytes) {
    if (bytes.length < 8) throw new DecodeError('', `${bytes.length} bytes, expected 8`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Number(view.getBigUint64(0, true));
  },
};

/** IFLA_BR_*. Names ending in `Cs` count hundredths of a second (USER_HZ). */
export const bridgeAttributes = {
  forwardDelayCs: { id: 1, type: 'u32' },
  helloTimeCs: { id: 2, type: 'u32' },
  maxAgeCs: { id: 3, type: 'u32' },
  /** How long a learned address is kept that nobody sends from. */
  ageingTimeCs: { id: 4, type: 'u32' },
  /** 0 off, 1 the kernel's spanning tree, 2 a daemon's. */
  stpState: { id: 5, type: 'u32' },
  priority: { id: 6, type: 'u16' },
  vlanFiltering: { id: 7, type: bool },
  vlanProtocol: { id: 8, type: vlanProtocol },
  groupFwdMask: { id: 9, type: 'u16' },
  /** Read only, as are the next seven. */
  rootId: { id: 10, type: bridgeId },
  bridgeId: { id: 11, type: bridgeId },
  rootPort: { id: 12, type: 'u16' },
  rootPathCost: { id: 13, type: 'u32' },
  topologyChange: { id: 14, type: bool },
  topologyChangeDetected: { id: 15, type: bool },
  helloTimerCs: { id: 16, type: centiseconds },
  tcnTimerCs: { id: 17, type: centiseconds },
  topologyChangeTimerCs: { id: 18, type: centiseconds },
  gcTimerCs: { id: 19, type: centiseconds },
  groupAddr: { id: 20, type: mac },
  /** Write only: forgets what was learned. */
  fdbFlush: { id: 21, type: 'flag' },
  /** 0 never, 1 when a querier is seen, 2 always. */
  mcastRouter: { id: 22, type: 'u8' },
  mcastSnooping: { id: 23, type: bool },
  mcastQueryUseIfaddr: { id: 24, type: bool },
  mcastQuerier: { id: 25, type: bool },
  mcastHashElasticity: { id: 26, type: 'u32' },
  mcastHashMax: { id: 27, type: 'u32' },
  mcastLastMemberCount: { id: 28, type: 'u32' },
  mcastStartupQueryCount: { id: 29, type: 'u32' },
  mcastLastMemberIntervalCs: { id: 30, type: centiseconds },
  mcastMembershipIntervalCs: { id: 31, type: centiseconds },
  mcastQuerierIntervalCs: { id: 32, type: centiseconds },
  mcastQueryIntervalCs: { id: 33, type: centiseconds },
  mcastQueryResponseIntervalCs: { id: 34, type: centiseconds },
  mcastStartupQueryIntervalCs: { id: 35, type: centiseconds },
  /** Whether bridged packets go through iptables; the namespace's sysctl may say so for all. */
  nfCallIptables: { id: 36, type: bool },
  nfCallIp6tables: { id: 37, type: bool },
  nfCallArptables: { id: 38, type: bool },
  /** The VLAN of untagged frames on a new port; 0 for none. */
  vlanDefaultPvid: { id: 39, type: 'u16' },
  vlanStatsEnabled: { id: 41, type: bool },
  mcastStatsEnabled: { id: 42, type: bool },
  mcastIgmpVersion: { id: 43, type: 'u8' },
  mcastMldVersion: { id: 44, type: 'u8' },
  vlanStatsPerPort: { id: 45, type: bool },
  /** BR_BOOLOPT_* (linux/if_bridge.h). */
  options: {
    id: 46,
    type: maskedFlags({ noLinkLocalLearn: 1, mcastVlanSnooping: 2, mstEnable: 4 }),
  },
  fdbLearnedCount: { id: 48, type: 'u32' },
  /** How many addresses it learns at most; 0 for no limit. */
  fdbLearnedMax: { id: 49, type: 'u32' },
} as const satisfies AttributeTable;

/** A bridge: how it forwards. */
export type Bridge = Attributes<typeof bridgeAttributes>;

/** IFLA_BRPORT_*: a port, as the slave data of a link whose master is a bridge. */
export const bridgePortAttributes = {
  state: {
    id: 1,
    type: named(1, { disabled: 0, listening: 1, learning: 2, forwarding: 3, blocking: 4 }),
  },
  priority: { id: 2, type: 'u16' },
  cost: { id: 3, type: 'u32' },
  /** Whether a frame may leave by the port it came in. */
  hairpin: { id: 4, type: bool },
  /** Whether frames of the spanning tree are dropped. */
  guard: { id: 5, type: bool },
  rootBlock: { id: 6, type: bool },
  fastLeave: { id: 7, type: bool },
  learning: { id: 8, type: bool },
  /** Whether frames to unknown addresses go out here; `mcastFlood` and `bcastFlood` likewise. */
  flood: { id: 9, type: bool },
  proxyArp: { id: 10, type: bool },
  proxyArpWifi: { id: 12, type: bool },
  /** Read only, as are the next ten. */
  rootId: { id: 13, type: bridgeId },
  bridgeId: { id: 14, type: bridgeId },
  designatedPort: { id: 15, type: 'u16' },
  designatedCost: { id: 16, type: 'u16' },
  id: { id: 17, type: 'u16' },
  no: { id: 18, type: 'u16' },
  topologyChangeAck: { id: 19, type: bool },
  configPending: { id: 20, type: bool },
  messageAgeTimerCs: { id: 21, type: centiseconds },
  forwardDelayTimerCs: { id: 22, type: centiseconds },
  holdTimerCs: { id: 23, type: centiseconds },
  /** Write only: forgets what was learned on the port. */
  flush: { id: 24, type: 'flag' },
  mcastRouter: { id: 25, type: 'u8' },
  mcastFlood: { id: 27, type: bool },
  mcastToUnicast: { id: 28, type: bool },
  vlanTunnel: { id: 29, type: bool },
  bcastFlood: { id: 30, type: bool },
  groupFwdMask: { id: 31, type: 'u16' },
  neighSuppress: { id: 32, type: bool },
  /** Whether the port talks to ports that are not isolated only. */
  isolated: { id: 33, type: bool },
  /** Index of the port that takes over when this one loses its carrier; 0 for none. */
  backupPort: { id: 34, type: 'u32' },
  mcastEhtHostsLimit: { id: 37, type: 'u32' },
  mcastEhtHostsCount: { id: 38, type: 'u32' },
  /** Whether only addresses in the table may send. */
  locked: { id: 39, type: bool },
  mab: { id: 40, type: bool },
  mcastGroupsMax: { id: 42, type: 'u32' },
  neighVlanSuppress: { id: 43, type: bool },
} as const satisfies AttributeTable;

/** What a bridge does with one of its ports. */
export type BridgePort = Attributes<typeof bridgePortAttributes>;
