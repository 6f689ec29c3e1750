import { parseAddr } from '../../ipaddr/parse-addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { DEFAULT_SETTINGS, type LocalDetector } from '../../proxy/model/settings.ts';
import { DEFAULT_NODE_RULES } from '../../proxy/node.ts';
import type { ProxyOptions } from '../../proxy/options.ts';
import { localAddrs } from '../local-addrs.ts';
import type { BindAddress } from './bind-address.ts';

/** How pods of this node are told from others (KubeProxyConfiguration detectLocalMode). */
export const LOCAL_MODES = [
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
] as const;

/** By which rules of the kernel Services are served (`--proxy-mode`). */
export const PROXY_MODES = ['nftables', 'iptables'] as const;
export type ProxyMode = (typeof PROXY_MODES)[number];

/** Limits and timeouts of connection tracking; 0 leaves what the kernel has. */
export interface ConntrackSettings {
  readonly maxPerCore: number;
  readonly min: number;
  readonly tcpEstablishedTimeoutMs: number;
  readonly tcpCloseWaitTimeoutMs: number;
  readonly tcpBeLiberal: boolean;
  readonly udpTimeoutMs: number;
  readonly udpStreamTimeoutMs: number;
}

/** What kube-proxy's flags or its configuration file say, as far as it is used. */
export interface KubeProxySettings {
  /** The node's name; lower case, as the API has it. */
  readonly nodeName: string;
  /** The configuration's clientConnection.kubeconfig; empty for none. */
  readonly kubeconfig: string;
  readonly mode: ProxyMode;
  readonly detectLocalMode: (typeof LOCAL_MODES)[number];
  readonly clusterCIDRs: readonly Prefix[];
  readonly bridgeInterface: string;
  readonly interfaceNamePrefix: string;
  readonly nodePortAddresses: ProxyOptions['nodePorts'];
  readonly masqueradeAll: boolean;
  readonly masqueradeBit: number;
  /** Whether node ports are served on 127.0.0.1, too; in mode iptables. */
  readonly localhostNodePorts: boolean;
  readonly syncPeriodMs: number;
  /** Undefined: not served. */
  readonly healthzBindAddress: BindAddress | undefined;
  readonly metricsBindAddress: BindAddress | undefined;
  readonly bindAddressHardFail: boolean;
  readonly conntrack: ConntrackSettings;
}

export const HEALTHZ_PORT = 10_256;
export const METRICS_PORT = 10_249;

/** kube-proxy's defaults (pkg/proxy/apis/config/v1alpha1/defaults.go), in its mode nftables. */
export const KUBE_PROXY_DEFAULTS: Omit<KubeProxySettings, 'nodeName'> = {
  kubeconfig: '',
  mode: 'nftables',
  detectLocalMode: 'ClusterCIDR',
  clusterCIDRs: [],
  bridgeInterface: '',
  interfaceNamePrefix: '',
  nodePortAddresses: 'primary',
  masqueradeAll: false,
  masqueradeBit: DEFAULT_NODE_RULES.masqueradeBit,
  localhostNodePorts: true,
  syncPeriodMs: 30_000,
  healthzBindAddress: { host: '0.0.0.0', port: HEALTHZ_PORT },
  metricsBindAddress: { host: '127.0.0.1', port: METRICS_PORT },
  bindAddressHardFail: false,
  conntrack: {
    maxPerCore: 32 * 1024,
    min: 128 * 1024,
    tcpEstablishedTimeoutMs: 86_400_000,
    tcpCloseWaitTimeoutMs: 3_600_000,
    tcpBeLiberal: false,
    udpTimeoutMs: 0,
    udpStreamTimeoutMs: 0,
  },
};

/** kube-proxy serves node ports on all addresses, but in its mode nftables. */
export function defaultNodePortAddresses(mode: ProxyMode): ProxyOptions['nodePorts'] {
  return mode === 'nftables' ? KUBE_PROXY_DEFAULTS.nodePortAddresses : 'all';
}

/** The proxy's options that the settings mean. */
export function proxyOptionsOf(settings: KubeProxySettings): ProxyOptions {
  const { nodeName, masqueradeAll, masqueradeBit, syncPeriodMs } = settings;
  return {
    settings: { ...DEFAULT_SETTINGS, nodeName, detector: detectorOf(settings), masqueradeAll },
    node: {
      masqueradeAll,
      masqueradeBit,
      localhostNodePorts: settings.localhostNodePorts && servesLoopback(settings),
      serviceCidrs: DEFAULT_NODE_RULES.serviceCidrs,
    },
    nodePorts: settings.nodePortAddresses,
    detectsByNode: settings.detectLocalMode === 'NodeCIDR',
    syncPeriodMs,
    localAddrs,
  };
}

const LOOPBACK = parseAddr('127.0.0.1');

/** Whether node ports are to be on loopback in IPv4, as far as their addresses say. */
function servesLoopback({ nodePortAddresses, mode }: KubeProxySettings): boolean {
  if (mode !== 'iptables' || nodePortAddresses === 'primary') return false;
  return (
    nodePortAddresses === 'all' || nodePortAddresses.some((prefix) => prefix.contains(LOOPBACK))
  );
}

function detectorOf(settings: KubeProxySettings): LocalDetector {
  switch (settings.detectLocalMode) {
    case 'BridgeInterface':
      return { kind: 'bridge', name: settings.bridgeInterface };
    case 'InterfaceNamePrefix':
      return { kind: 'interface-prefix', prefix: settings.interfaceNamePrefix };
    case 'NodeCIDR':
      return { kind: 'none' };
    case 'ClusterCIDR': {
      const prefixes = settings.clusterCIDRs;
      return prefixes.length === 0 ? { kind: 'none' } : { kind: 'prefixes', prefixes };
    }
  }
}
