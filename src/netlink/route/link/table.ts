import type { AttributeTable } from '../../attribute.ts';
import { named } from '../../layout.ts';
import { struct } from '../../struct.ts';
import { bridgeAttributes, bridgePortAttributes } from './bridge.ts';
import { ipvlanAttributes } from './ipvlan.ts';
import { macvlanAttributes } from './macvlan.ts';
import { tunAttributes } from './tun.ts';
import { vlanAttributes } from './vlan.ts';
import { vrfAttributes, vrfPortAttributes } from './vrf.ts';
import { vxlanAttributes } from './vxlan.ts';

/* What RTM_NEWLINK and its kin carry (linux/if_link.h), as far as podwire reads or writes it. */

export const RTM_NEWLINK = 16; // linux/rtnetlink.h
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWLINKPROP = 108;
export const RTM_DELLINKPROP = 109;

/* RTEXT_FILTER_*: what a dump holds beside the usual. */
export const RTEXT_FILTER_BRVLAN_COMPRESSED = 1 << 2;
export const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/** struct ifinfomsg. */
export const ifinfomsg = struct('ifinfomsg', {
  family: 'u8',
  pad: 'u8',
  type: 'u16',
  index: 's32',
  flags: 'u32',
  change: 'u32',
});

/** VETH_INFO_*: the peer is a whole link message, header and attributes. */
const vethAttributes = { peer: { id: 1, type: 'bytes' } } as const satisfies AttributeTable;

/** IFLA_INFO_*. */
const linkInfo = {
  kind: { id: 1, type: 'string' },
  data: {
    id: 2,
    type: {
      choice: {
        bridge: bridgeAttributes,
        ipvlan: ipvlanAttributes,
        macvlan: macvlanAttributes,
        macvtap: macvlanAttributes,
        tun: tunAttributes,
        veth: vethAttributes,
        vlan: vlanAttributes,
        vrf: vrfAttributes,
        vxlan: vxlanAttributes,
      },
      by: 'kind',
    },
  },
  slaveKind: { id: 4, type: 'string' },
  slaveData: {
    id: 5,
    type: { choice: { bridge: bridgePortAttributes, vrf: vrfPortAttributes }, by: 'slaveKind' },
  },
} as const satisfies AttributeTable;

/** IFLA_INET6_*. */
const inet6 = {
  addrGenMode: { id: 8, type: named(1, { eui64: 0, none: 1, stable_secret: 2, random: 3 }) },
} as const satisfies AttributeTable;

/** IFLA_AF_SPEC: one nest for each address family, numbered by it. */
const afSpec = { inet6: { id: 10, type: { nested: inet6 } } } as const satisfies AttributeTable;

/** IFLA_PROP_LIST. */
const propList = { altIfname: { id: 53, type: { repeated: 'string' } } } as const;

/** IFLA_*. */
export const linkAttributes = {
  address: { id: 1, type: 'bytes' },
  broadcast: { id: 2, type: 'bytes' },
  ifname: { id: 3, type: 'string' },
  mtu: { id: 4, type: 'u32' },
  link: { id: 5, type: 'u32' },
  qdisc: { id: 6, type: 'string' },
  master: { id: 10, type: 'u32' },
  txqlen: { id: 13, type: 'u32' },
  operstate: {
    id: 16,
    type: named(1, {
      unknown: 0,
      notpresent: 1,
      down: 2,
      lowerlayerdown: 3,
      testing: 4,
      dormant: 5,
      up: 6,
    }),
  },
  linkinfo: { id: 18, type: { nested: linkInfo } },
  netNsPid: { id: 19, type: 'u32' },
  ifalias: { id: 20, type: 'string' },
  afSpec: { id: 26, type: { nested: afSpec } },
  group: { id: 27, type: 'u32' },
  netNsFd: { id: 28, type: 'u32' },
  extMask: { id: 29, type: 'u32' },
  promiscuity: { id: 30, type: 'u32' },
  numTxQueues: { id: 31, type: 'u32' },
  numRxQueues: { id: 32, type: 'u32' },
  carrierChanges: { id: 35, type: 'u32' },
  linkNetnsid: { id: 37, type: 's32' },
  gsoMaxSegs: { id: 40, type: 'u32' },
  gsoMaxSize: { id: 41, type: 'u32' },
  minMtu: { id: 50, type: 'u32' },
  maxMtu: { id: 51, type: 'u32' },
  propList: { id: 52, type: { nested: propList } },
  altIfname: { id: 53, type: 'string' },
  groMaxSize: { id: 58, type: 'u32' },
  tsoMaxSize: { id: 59, type: 'u32' },
  tsoMaxSegs: { id: 60, type: 'u32' },
  allmulti: { id: 61, type: 'u32' },
  gsoIpv4MaxSize: { id: 63, type: 'u32' },
  groIpv4MaxSize: { id: 64, type: 'u32' },
} as const satisfies AttributeTable;

/** A link message. */
export const linkPayload = { header: ifinfomsg, attributes: linkAttributes } as const;
