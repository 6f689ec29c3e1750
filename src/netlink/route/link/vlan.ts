import type { Attributes, AttributeTable, Layout } from '../../attribute.ts';
import { maskedFlags } from '../../layout.ts';
import { struct } from '../../struct.ts';

const ETH_P_8021Q = 0x8100; // linux/if_ether.h
const ETH_P_8021AD = 0x88a8;

/** The EtherType of a VLAN tag, in network byte order. */
export const vlanProtocol: Layout<'802.1q' | '802.1ad'> = {
  encode: (writer, value) => writer.u16(value === '802.1q' ? ETH_P_8021Q : ETH_P_8021AD, false),
  decode: (bytes) =>
    bytes[0] === ETH_P_8021AD >> 8 && bytes[1] === (ETH_P_8021AD & 0xff) ? '802.1ad' : '802.1q',
};

/** struct ifla_vlan_qos_mapping: an skb's priority and the tag's, in the direction's order. */
const qosMapping = {
  mapping: {
    id: 1,
    type: { repeated: { struct: struct('ifla_vlan_qos_mapping', { from: 'u32', to: 'u32' }) } },
  },
} as const satisfies AttributeTable;

/** IFLA_VLAN_*. */
export const vlanAttributes = {
  id: { id: 1, type: 'u16' },
  /** VLAN_FLAG_* (linux/if_vlan.h). */
  flags: {
    id: 2,
    type: maskedFlags({ reorderHdr: 1, gvrp: 2, looseBinding: 4, mvrp: 8, bridgeBinding: 16 }),
  },
  egressQos: { id: 3, type: { nested: qosMapping } },
  ingressQos: { id: 4, type: { nested: qosMapping } },
  protocol: { id: 5, type: vlanProtocol },
} as const satisfies AttributeTable;

/** A VLAN of the link below. */
export type Vlan = Attributes<typeof vlanAttributes>;
