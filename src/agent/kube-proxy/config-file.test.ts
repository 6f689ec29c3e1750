import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../ipaddr/prefix.ts';
import { ConfigDocument } from '../config/document.ts';
import { ConfigError } from '../config/fault.ts';
import { type KubeProxyConfig, readKubeProxyConfig } from './config-file.ts';
import { KUBE_PROXY_DEFAULTS, proxyOptionsOf } from './settings.ts';

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

/** Reads the first document of a text. */
function readText(file: string, text: string, hostname: string): KubeProxyConfig {
  const [document] = ConfigDocument.all({ file, text });
  if (document === undefined) throw new Error('no document');
  return readKubeProxyConfig(document, hostname);
}

const read = (body: string) => readText('kp.yaml', `${HEAD}${body}`, 'Host-1');
const settings = (body: string) => read(body).settings;

/** What is wrong with a configuration, as its error says. */
function problem(body: string): string {
  try {
    read(body);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('it was read');
}

describe('readKubeProxyConfig', () => {
  it('reads the example, and finds nothing in it that is not used', () => {
    const file = join(import.meta.dirname, '../../../examples/kube-proxy/config.yaml');
    const { settings: seen, unused } = readText(file, readFileSync(file, 'utf8'), 'n1');
    expect(unused).toEqual([]);
    expect(seen).toEqual({
      ...KUBE_PROXY_DEFAULTS,
      nodeName: 'n1',
      clusterCIDRs: [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:244::/56')],
      conntrack: { ...KUBE_PROXY_DEFAULTS.conntrack, tcpBeLiberal: true },
    });
  });

  it("has kube-proxy's defaults, those of iptables where no mode is named", () => {
    expect(settings('mode: nftables')).toEqual({ ...KUBE_PROXY_DEFAULTS, nodeName: 'host-1' });
    expect(settings('')).toEqual({
      ...KUBE_PROXY_DEFAULTS,
      nodeName: 'host-1',
      nodePortAddresses: 'all',
    });
    expect(settings('bindAddress: "::"')).toMatchObject({
      healthzBindAddress: { host: '::', port: 10_256 },
      metricsBindAddress: { host: '::1', port: 10_249 },
    });
  });

  it.each<[string, object]>([
    ['hostnameOverride: " Node-7 "', { nodeName: 'node-7' }],
    ['healthzBindAddress: 192.0.2.1', { healthzBindAddress: { host: '192.0.2.1', port: 10_256 } }],
    ['metricsBindAddress: "[::]:9"', { metricsBindAddress: { host: '::', port: 9 } }],
    ['bindAddressHardFail: true', { bindAddressHardFail: true }],
    ['detectLocalMode: NodeCIDR', { detectLocalMode: 'NodeCIDR' }],
    [
      'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}',
      { detectLocalMode: 'BridgeInterface', bridgeInterface: 'cni0' },
    ],
    ['nodePortAddresses: [primary]', { nodePortAddresses: 'primary' }],
    ['nodePortAddresses: [10.0.0.0/8]', { nodePortAddresses: [parsePrefix('10.0.0.0/8')] }],
    ['nodePortAddresses: [10.0.0.0/8, "::/0"]', { nodePortAddresses: 'all' }],
    [
      'iptables: {masqueradeBit: 7, masqueradeAll: true}',
      { masqueradeBit: 7, masqueradeAll: true },
    ],
    ['mode: iptables\niptables: {syncPeriod: 1m30s}', { mode: 'iptables', syncPeriodMs: 90_000 }],
    [
      'mode: nftables\nnftables: {masqueradeBit: 0, syncPeriod: 5s}',
      { masqueradeBit: 0, syncPeriodMs: 5000 },
    ],
    [
      'conntrack: {maxPerCore: 0, udpTimeout: 1h}',
      { conntrack: { ...KUBE_PROXY_DEFAULTS.conntrack, maxPerCore: 0, udpTimeoutMs: 3_600_000 } },
    ],
    [
      'conntrack: {tcpCloseWaitTimeout: 0s}',
      { conntrack: { ...KUBE_PROXY_DEFAULTS.conntrack, tcpCloseWaitTimeoutMs: 0 } },
    ],
  ])('reads %j', (body, expected) => {
    expect(settings(body)).toMatchObject(expected);
  });

  it('names what is said and not used, with its line', () => {
    const body = `mode: iptables
clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 5
iptables:
  localhostNodePorts: true
  minSyncPeriod: 1s
nftables:
  masqueradeBit: 3
detectLocalMode: NodeCIDR
clusterCIDR: 10.0.0.0/8
ipvs: {excludeCIDRs: [10.0.0.0/8]}`;
    expect(
      read(body).unused.map(({ field, where }) => `${where.slice('kp.yaml:'.length)} ${field}`),
    ).toEqual([
      '6:3 clientConnection.qps',
      '9:3 iptables.minSyncPeriod',
      '11:3 nftables.masqueradeBit',
      '13:1 clusterCIDR',
      '14:8 ipvs.excludeCIDRs',
    ]);
  });

  it.each([
    [
      'clusterCidr: 10.0.0.0/8',
      '3:1: clusterCidr: there is no such field; did you mean "clusterCIDR"?',
    ],
    ['conntrack:\n  max: 1', '4:3: conntrack.max: there is no such field'],
    ['mode: ipvs', '3:1: mode: expected one of nftables, iptables, got "ipvs"'],
    [
      'mode: userspace',
      '3:1: mode: expected one of "iptables", "ipvs", "nftables", got "userspace"',
    ],
    [
      'nftables:\n  masqueradeBit: 32',
      '4:3: nftables.masqueradeBit: expected a whole number from 0 to 31, got 32',
    ],
    [
      'conntrack: {min: -1}',
      '3:13: conntrack.min: expected a whole number from 0 to 2147483647, got -1',
    ],
    ['conntrack: {min: many}', '3:13: conntrack.min: expected a number, got "many"'],
    ['conntrack:\n  udpTimeout: 5', '4:3: conntrack.udpTimeout: expected a string, got 5'],
    [
      'conntrack:\n  udpTimeout: 5 s',
      '4:3: conntrack.udpTimeout: expected a duration such as 30s, 1h30m or 0s, got "5 s"',
    ],
    [
      'healthzBindAddress: localhost:1',
      '3:1: healthzBindAddress: expected an IP address and a port such as 127.0.0.1:10249 or [::1]:10249, got "localhost:1"',
    ],
    [
      'nodePortAddresses: [primary, 10.0.0.0/8]',
      '3:1: nodePortAddresses: expected "primary" or prefixes, got both: "primary,10.0.0.0/8"',
    ],
    [
      'clusterCIDR: 10.0.0.0/8,11.0.0.0/8',
      '3:1: clusterCIDR: expected at most one prefix of each family, got "10.0.0.0/8,11.0.0.0/8"',
    ],
    [
      'detectLocalMode: BridgeInterface',
      '1:1: detectLocal.bridgeInterface: expected 1 to 15 bytes for mode BridgeInterface, got ""',
    ],
    [
      'iptables:\n  minSyncPeriod: 1m',
      '4:3: iptables.minSyncPeriod: expected no more than syncPeriod, 30 s',
    ],
    ['hostnameOverride: "  "', `3:1: hostnameOverride: expected a node's name, got "  "`],
    ['iptables: 5', '3:1: iptables: expected an object, got 5'],
    ['a: [', '3:5: not YAML: '],
  ])('refuses %j', (body, expected) => {
    expect(problem(body)).toContain(`kp.yaml:${expected}`);
  });

  it.each([
    [
      'apiVersion: v1\nkind: KubeProxyConfiguration',
      'kp.yaml:1:1: apiVersion: expected "kubeproxy.config.k8s.io/v1alpha1", got "v1"',
    ],
    ['- 1', 'kp.yaml:1:1: apiVersion: expected this field, got nothing'],
  ])('refuses the file %j', (text, expected) => {
    expect(() => readText('kp.yaml', text, 'n1')).toThrow(expected);
  });
});

describe('proxyOptionsOf', () => {
  const detector = (body: string) => proxyOptionsOf(settings(body)).settings.detector;

  it.each<[string, object]>([
    ['', { kind: 'none' }],
    ['clusterCIDR: 10.0.0.0/8', { kind: 'prefixes', prefixes: [parsePrefix('10.0.0.0/8')] }],
    [
      'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}',
      { kind: 'bridge', name: 'cni0' },
    ],
    [
      'detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}',
      { kind: 'interface-prefix', prefix: 'veth' },
    ],
    ['detectLocalMode: NodeCIDR\nclusterCIDR: 10.0.0.0/8', { kind: 'none' }],
  ])('makes a detector of %j', (body, expected) => {
    expect(detector(body)).toEqual(expected);
  });

  it('leaves NodeCIDR to the Node object', () => {
    expect(proxyOptionsOf(settings('detectLocalMode: NodeCIDR')).detectsByNode).toBe(true);
    expect(proxyOptionsOf(settings('')).detectsByNode).toBe(false);
  });
});
