import {
  KUBE_PROXY_DEFAULTS,
  type KubeProxySettings,
  LOCAL_MODES,
  PROXY_MODES,
} from '../../kube-proxy/settings.ts';
import { parseNodePortAddresses } from '../../kube-proxy/values.ts';
import { option } from '../option.ts';
import {
  boolean,
  choice,
  clusterCIDRs,
  duration,
  integer,
  list,
  maybe,
  path,
  text,
} from '../value-type.ts';

const { conntrack: TRACKING } = KUBE_PROXY_DEFAULTS;

/** The Service proxy, as kube-proxy has it. */
export const PROXY = {
  'proxy.besideKubeProxy': option({
    flag: 'beside-kube-proxy',
    type: boolean,
    default: false,
    doc: 'start though kube-proxy runs on this node, which then decides some connections',
    change: 'restart',
  }),
  'proxy.kubeProxyConfigurationFile': option({
    type: maybe(path('a file')),
    default: undefined,
    doc: 'file with a KubeProxyConfiguration, which holds where nothing else says otherwise',
    change: 'live',
  }),
  'proxy.mode': option({
    flag: 'proxy-mode',
    type: choice(PROXY_MODES),
    default: KUBE_PROXY_DEFAULTS.mode,
    doc: 'by which rules of the kernel Services are served',
    change: 'restart',
    kubeProxy: ({ mode }) => mode,
  }),
  'proxy.detectLocalMode': option({
    flag: 'detect-local-mode',
    type: choice(LOCAL_MODES),
    default: KUBE_PROXY_DEFAULTS.detectLocalMode,
    doc: 'how pods of this node are told from others',
    change: 'live',
    kubeProxy: ({ detectLocalMode }) => detectLocalMode,
  }),
  'proxy.clusterCIDRs': option({
    flag: 'cluster-cidr',
    type: clusterCIDRs,
    default: KUBE_PROXY_DEFAULTS.clusterCIDRs,
    doc: 'addresses of pods, one prefix for each family',
    change: 'live',
    kubeProxy: (settings) => settings.clusterCIDRs,
  }),
  'proxy.bridgeInterface': option({
    flag: 'pod-bridge-interface',
    type: text('the name of an interface', String),
    default: '',
    doc: 'the bridge pods are on, for BridgeInterface',
    change: 'live',
    kubeProxy: ({ bridgeInterface }) => bridgeInterface,
  }),
  'proxy.interfaceNamePrefix': option({
    flag: 'pod-interface-name-prefix',
    type: text('the beginning of names of interfaces', String),
    default: '',
    doc: "the beginning of their interfaces' names, for InterfaceNamePrefix",
    change: 'live',
    kubeProxy: ({ interfaceNamePrefix }) => interfaceNamePrefix,
  }),
  'proxy.nodePortAddresses': option({
    flag: 'nodeport-addresses',
    type: list<KubeProxySettings['nodePortAddresses'] | undefined>(
      'a list of IP prefixes, or "primary" alone',
      parseNodePortAddresses,
      (value) => {
        if (value === undefined) return [];
        if (value === 'primary') return ['primary'];
        return value === 'all' ? ['0.0.0.0/0', '::/0'] : value.map(String);
      },
    ),
    default: undefined,
    doc: 'where node ports are served: "primary" for the addresses of the Node, or prefixes; by default primary, in mode iptables everywhere',
    change: 'live',
    kubeProxy: ({ nodePortAddresses }) => nodePortAddresses,
  }),
  'proxy.masqueradeAll': option({
    flag: 'masquerade-all',
    type: boolean,
    default: KUBE_PROXY_DEFAULTS.masqueradeAll,
    doc: 'masquerade all that goes to cluster IPs',
    change: 'live',
    kubeProxy: ({ masqueradeAll }) => masqueradeAll,
  }),
  'proxy.masqueradeBit': option({
    flag: 'masquerade-bit',
    type: integer(0, 31),
    default: KUBE_PROXY_DEFAULTS.masqueradeBit,
    doc: 'the bit of the packet mark that asks for it',
    change: 'live',
    kubeProxy: ({ masqueradeBit }) => masqueradeBit,
  }),
  'proxy.iptables.localhostNodePorts': option({
    flag: 'iptables-localhost-nodeports',
    type: boolean,
    default: KUBE_PROXY_DEFAULTS.localhostNodePorts,
    doc: 'serve node ports on 127.0.0.1, too; in mode iptables',
    change: 'restart',
    kubeProxy: ({ localhostNodePorts }) => localhostNodePorts,
  }),
  'proxy.syncPeriod': option({
    type: duration,
    default: KUBE_PROXY_DEFAULTS.syncPeriodMs,
    doc: 'how often what the kernel has is read and repaired; 0s for the default',
    change: 'live',
    kubeProxy: ({ syncPeriodMs }) => syncPeriodMs,
  }),
  'proxy.conntrack.maxPerCore': option({
    flag: 'conntrack-max-per-core',
    type: integer(0),
    default: TRACKING.maxPerCore,
    doc: 'connections tracked for each core, 0 to leave the limit as it is',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.maxPerCore,
  }),
  'proxy.conntrack.min': option({
    flag: 'conntrack-min',
    type: integer(0),
    default: TRACKING.min,
    doc: 'connections tracked at least, whatever the cores',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.min,
  }),
  'proxy.conntrack.tcpEstablishedTimeout': option({
    flag: 'conntrack-tcp-timeout-established',
    type: duration,
    default: TRACKING.tcpEstablishedTimeoutMs,
    doc: 'when an idle TCP connection is forgotten; 0s: as it is',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.tcpEstablishedTimeoutMs,
  }),
  'proxy.conntrack.tcpCloseWaitTimeout': option({
    flag: 'conntrack-tcp-timeout-close-wait',
    type: duration,
    default: TRACKING.tcpCloseWaitTimeoutMs,
    doc: 'the same of one that is half closed',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.tcpCloseWaitTimeoutMs,
  }),
  'proxy.conntrack.tcpBeLiberal': option({
    flag: 'conntrack-tcp-be-liberal',
    type: boolean,
    default: TRACKING.tcpBeLiberal,
    doc: 'track TCP segments that are out of window',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.tcpBeLiberal,
  }),
  'proxy.conntrack.udpTimeout': option({
    flag: 'conntrack-udp-timeout',
    type: duration,
    default: TRACKING.udpTimeoutMs,
    doc: 'when UDP without an answer is forgotten; 0s: as it is',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.udpTimeoutMs,
  }),
  'proxy.conntrack.udpStreamTimeout': option({
    flag: 'conntrack-udp-timeout-stream',
    type: duration,
    default: TRACKING.udpStreamTimeoutMs,
    doc: 'the same of UDP with answers',
    change: 'live',
    kubeProxy: ({ conntrack }) => conntrack.udpStreamTimeoutMs,
  }),
};
