import { ID_DEFAULT, PORT_DEFAULT } from '../../overlay/settings.ts';
import { option } from '../option.ts';
import { boolean, choice, clusterCIDRs, integer, maybe, path, text } from '../value-type.ts';

/** VNIs have 24 bits (RFC 7348 section 5). */
const ID_MAX = 2 ** 24 - 1;
/** The least IPv4 may be (RFC 791 section 3.2). */
const MTU_MIN = 68;
const MTU_MAX = 65_535;

/** The overlay, by which pods of different nodes reach each other. */
export const OVERLAY = {
  'overlay.backend': option({
    flag: 'overlay',
    type: choice(['none', 'vxlan']),
    default: 'none',
    doc: "how pods of other nodes are reached, by the Nodes' podCIDRs and addresses",
    change: 'restart',
  }),
  'overlay.network': option({
    flag: 'overlay-network',
    type: clusterCIDRs,
    default: [],
    defaultDoc: 'that of `--cluster-cidr`',
    doc: 'the networks that hold the podCIDRs of all nodes',
    change: 'restart',
  }),
  'overlay.id': option({
    flag: 'overlay-id',
    type: integer(0, ID_MAX),
    default: ID_DEFAULT,
    doc: "the VXLAN network's number, VNI",
    change: 'restart',
  }),
  'overlay.port': option({
    flag: 'overlay-port',
    type: integer(1, 65_535),
    default: PORT_DEFAULT,
    doc: "UDP port of the tunnels; Linux's and flannel's is 8472, IANA's 4789",
    change: 'restart',
  }),
  'overlay.mtu': option({
    flag: 'overlay-mtu',
    type: maybe(integer(MTU_MIN, MTU_MAX)),
    default: undefined,
    defaultDoc: 'the largest the link below carries',
    doc: 'octets of a packet between pods',
    change: 'restart',
  }),
  'overlay.link': option({
    flag: 'overlay-link',
    type: maybe(text('the name of a link')),
    default: undefined,
    defaultDoc: "the one with the node's address",
    doc: 'the link that tunnels leave by',
    change: 'restart',
  }),
  'overlay.directRouting': option({
    flag: 'overlay-direct-routing',
    type: boolean,
    default: false,
    doc: 'reach nodes on the same wire by plain routes, without a tunnel',
    change: 'restart',
  }),
  'overlay.masquerade': option({
    flag: 'overlay-masquerade',
    type: boolean,
    default: true,
    doc: "have packets that leave the pods' networks leave under the node's address",
    change: 'restart',
  }),
  'overlay.nodeMaskSize.ipv4': option({
    flag: 'node-cidr-mask-size-ipv4',
    type: integer(1, 30),
    default: 24,
    doc: 'prefix length of the IPv4 subnet a node takes for itself where it registers in etcd',
    change: 'restart',
  }),
  'overlay.nodeMaskSize.ipv6': option({
    flag: 'node-cidr-mask-size-ipv6',
    type: integer(1, 126),
    default: 64,
    doc: 'the same for IPv6',
    change: 'restart',
  }),
  'overlay.cniConfig': option({
    flag: 'overlay-cni-config',
    type: maybe(path('a file')),
    default: undefined,
    doc: 'CNI configuration to write once the network is there, such as /etc/cni/net.d/10-podwire.conflist',
    change: 'restart',
  }),
  'overlay.subnetFile': option({
    flag: 'overlay-subnet-file',
    type: maybe(path('a file')),
    default: undefined,
    doc: "file for flannel's CNI plugin, such as /run/flannel/subnet.env; who registers wants the subnet in it again",
    change: 'restart',
  }),
};
