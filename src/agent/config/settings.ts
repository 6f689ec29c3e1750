import { hostname } from 'node:os';
import type { CorefileSource } from '../../dns/corefile/parse.ts';
import type { AgentDnsOptions } from '../dns.ts';
import {
  defaultNodePortAddresses,
  KUBE_PROXY_DEFAULTS,
  type KubeProxySettings,
} from '../kube-proxy/settings.ts';
import { checkInterfaceName, nodeNameOf } from '../kube-proxy/values.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import type { OptionName, Values } from './definitions.ts';
import type { Origin } from './origin.ts';

/** What a link has to carry for IPv6 (RFC 8200 section 5), in octets. */
const IPV6_MTU_MIN = 1280;

type Origins = Readonly<Record<OptionName, Origin>>;

/** Says that an option's value is wrong, by throwing. */
export type Fail = (name: OptionName, problem: string) => never;

/** What the values say of the proxy. Calls `fail` for what one value alone does not show. */
export function proxySettings(values: Values, fail: Fail): KubeProxySettings {
  const mode = values['proxy.mode'];
  const detectLocalMode = values['proxy.detectLocalMode'];
  const needed = (
    name: 'proxy.bridgeInterface' | 'proxy.interfaceNamePrefix',
    mode: typeof detectLocalMode,
  ): string => {
    if (detectLocalMode !== mode) return values[name];
    try {
      return checkInterfaceName(values[name], mode);
    } catch (error) {
      return fail(name, (error as Error).message);
    }
  };
  return {
    // Where it is followed it is a source like others.
    kubeconfig: '',
    nodeName: nodeNameOf(values['node.name'], hostname()),
    detectLocalMode,
    clusterCIDRs: values['proxy.clusterCIDRs'],
    bridgeInterface: needed('proxy.bridgeInterface', 'BridgeInterface'),
    interfaceNamePrefix: needed('proxy.interfaceNamePrefix', 'InterfaceNamePrefix'),
    mode,
    nodePortAddresses: values['proxy.nodePortAddresses'] ?? defaultNodePortAddresses(mode),
    localhostNodePorts: values['proxy.iptables.localhostNodePorts'],
    masqueradeAll: values['proxy.masqueradeAll'],
    masqueradeBit: values['proxy.masqueradeBit'],
    syncPeriodMs: values['proxy.syncPeriod'] || KUBE_PROXY_DEFAULTS.syncPeriodMs,
    healthzBindAddress: values['http.healthzBindAddress'],
    metricsBindAddress: values['http.metricsBindAddress'],
    bindAddressHardFail: values['http.bindAddressHardFail'],
    conntrack: {
      maxPerCore: values['proxy.conntrack.maxPerCore'],
      min: values['proxy.conntrack.min'],
      tcpEstablishedTimeoutMs: values['proxy.conntrack.tcpEstablishedTimeout'],
      tcpCloseWaitTimeoutMs: values['proxy.conntrack.tcpCloseWaitTimeout'],
      tcpBeLiberal: values['proxy.conntrack.tcpBeLiberal'],
      udpTimeoutMs: values['proxy.conntrack.udpTimeout'],
      udpStreamTimeoutMs: values['proxy.conntrack.udpStreamTimeout'],
    },
  };
}

/** What the values say of the overlay; undefined for none. Calls `fail` as `proxySettings` does. */
export function overlaySettings(values: Values, fail: Fail): OverlaySettings | undefined {
  if (values['overlay.backend'] === 'none') return undefined;
  const said = values['overlay.network'];
  const network = said.length > 0 ? said : values['proxy.clusterCIDRs'];
  if (values['overlay.masquerade'] && network.length === 0) {
    fail('overlay.network', 'expected the networks of the pods, which are not to be masqueraded');
  }
  const mtu = values['overlay.mtu'] ?? IPV6_MTU_MIN;
  if (mtu < IPV6_MTU_MIN && network.some(({ addr }) => addr.family === 6)) {
    fail(
      'overlay.mtu',
      `expected at least ${IPV6_MTU_MIN}, for pods have IPv6 addresses, got ${mtu}`,
    );
  }
  for (const { addr, bits } of network) {
    const name = addr.family === 4 ? 'overlay.nodeMaskSize.ipv4' : 'overlay.nodeMaskSize.ipv6';
    if (values['node.register'] && values[name] < bits) {
      fail(name, `expected at least ${bits}, for the network has as many bits`);
    }
  }
  return {
    id: values['overlay.id'],
    port: values['overlay.port'],
    network,
    mtu: values['overlay.mtu'],
    master: values['overlay.link'],
    directRouting: values['overlay.directRouting'],
    masquerade: values['overlay.masquerade'],
    nodeMaskBits: {
      4: values['overlay.nodeMaskSize.ipv4'],
      6: values['overlay.nodeMaskSize.ipv6'],
    },
    cniConfig: values['overlay.cniConfig'],
    subnetFile: values['overlay.subnetFile'],
  };
}

/** What the values say of the DNS server. */
export function dnsOptions(
  values: Values,
  origins: Pick<Origins, 'dns.corefileText'>,
): AgentDnsOptions {
  const corefile = corefileOf(values, origins);
  return {
    ...(corefile === undefined ? {} : { corefile }),
    clusterDomain: values['dns.clusterDomain'],
    ttlSeconds: values['dns.ttlSeconds'],
    address: values['dns.address'],
    port: values['dns.port'],
    workers: values['dns.workers'],
    nodeLocal: values['dns.nodeLocal'],
    transferTo: values['dns.transferTo'],
    logClasses: new Set(values['dns.logClasses']),
  };
}

/** The Corefile that is to be followed; undefined for none. */
export function corefileOf(
  values: Values,
  { 'dns.corefileText': origin }: Pick<Origins, 'dns.corefileText'>,
): CorefileSource | undefined {
  const path = values['dns.corefile'];
  if (path !== undefined) return { path };
  const text = values['dns.corefileText'];
  if (text === undefined) return undefined;
  const at = origin.by === 'file' ? `${origin.place}: ` : '';
  return { path: `${at}dns.corefileText`, text };
}
