import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePrefix } from '../../ipaddr/prefix.ts';
import { type AgentConfig, readAgentConfig } from './agent-config.ts';
import type { OptionName } from './definitions.ts';
import { ConfigError } from './fault.ts';
import { formatOrigin } from './origin.ts';
import { printConfig } from './print.ts';

const HEAD = 'apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n';
const KUBE_PROXY = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-agent-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Given {
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Reads a whole file, with what else is given. */
function readFile(text: string, { flags = {}, environment = {} }: Given = {}): AgentConfig {
  const file = join(directory, 'agent.yaml');
  writeFileSync(file, text);
  return readAgentConfig({ flags: { config: file, ...flags }, environment });
}

const read = (body: string, given?: Given) => readFile(`${HEAD}${body}`, given);

/** What is wrong, without the directory. */
function problems(make: () => unknown): string[] {
  try {
    make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${directory}/`, '').split('\n');
  }
  return [];
}

const sourceOf = ({ origins }: AgentConfig, name: OptionName) =>
  formatOrigin(origins[name]).replace(`${directory}/`, '');

describe('precedence', () => {
  it('is flag, variable, file, default', () => {
    const file = 'dns:\n  port: 1001\n  ttlSeconds: 1002\n  workers: 3\n';
    const config = read(file, {
      flags: { 'dns-port': '2001' },
      environment: { PODWIRE_DNS_PORT: '3001', PODWIRE_DNS_TTL: '3002' },
    });
    const all = (['dns.port', 'dns.ttlSeconds', 'dns.workers', 'dns.address'] as const).map(
      (name) => [config.values[name], sourceOf(config, name)],
    );
    expect(all).toEqual([
      [2001, '--dns-port'],
      [3002, 'PODWIRE_DNS_TTL'],
      [3, 'agent.yaml:6:3'],
      ['::', 'default'],
    ]);
  });

  it('finds the file by its variable, which the flag goes before', () => {
    const file = join(directory, 'by-variable.yaml');
    writeFileSync(file, `${HEAD}log: {level: debug}\n`);
    const environment = { PODWIRE_CONFIG: file };
    expect(readAgentConfig({ flags: {}, environment }).values['log.level']).toBe('debug');
    expect(read('log: {level: warn}', { environment }).values['log.level']).toBe('warn');
  });

  it('has fields of the file before a KubeProxyConfiguration in it, wherever that stands', () => {
    writeFileSync(
      join(directory, 'kube-proxy.yaml'),
      `${KUBE_PROXY}clusterCIDR: 10.0.0.0/8\nconntrack: {min: 7}\n`,
    );
    const own = 'proxy:\n  conntrack: {min: 8}\n';
    const embedded = `${KUBE_PROXY}clusterCIDR: 10.0.0.0/8\nconntrack: {min: 7}`;
    const given = { flags: { 'conntrack-udp-timeout': '3s' } };
    for (const config of [
      read(`${own}---\n${embedded}\n`, given),
      readFile(`${embedded}\n---\n${HEAD}${own}`, given),
      read(`${own}  kubeProxyConfigurationFile: kube-proxy.yaml\n`, given),
      read(`${own}  kubeProxyConfiguration:\n    ${embedded.replaceAll('\n', '\n    ')}\n`, given),
    ]) {
      expect(config.kubeProxy.clusterCIDRs).toEqual([parsePrefix('10.0.0.0/8')]);
      expect(config.kubeProxy.conntrack).toMatchObject({ min: 8, udpTimeoutMs: 3000 });
      expect(config.warnings).toEqual([]);
      // As kube-proxy has it in its mode iptables, which is that of a configuration without one.
      expect(config.kubeProxy.nodePortAddresses).toBe('all');
    }
  });

  it('lets a KubeProxyConfiguration alone go before flags and variables, and names those', () => {
    const config = readFile(`${KUBE_PROXY}metricsBindAddress: 127.0.0.1:7\nportRange: 1-2\n`, {
      flags: { 'metrics-bind-address': '127.0.0.1:8', 'hostname-override': 'n1', 'dns-port': '5' },
      environment: { PODWIRE_MASQUERADE_BIT: '40', PODWIRE_LOG_LEVEL: 'error' },
    });
    expect(config.kubeProxy).toMatchObject({
      nodeName: 'n1',
      metricsBindAddress: { host: '127.0.0.1', port: 7 },
      masqueradeBit: 14,
    });
    expect(config.values).toMatchObject({ 'dns.port': 5, 'log.level': 'error' });
    expect(config.warnings.map(({ where }) => where.replace(`${directory}/`, ''))).toEqual([
      '--metrics-bind-address',
      'PODWIRE_MASQUERADE_BIT',
      'agent.yaml:4:1: portRange',
    ]);
  });

  it('follows the kubeconfig of a KubeProxyConfiguration where nothing else names a source', () => {
    const text = `${KUBE_PROXY}clientConnection: {kubeconfig: /k}\n`;
    expect(readFile(text).values['sources.kubernetes.kubeconfig']).toBe('/k');
    const flagged = readFile(text, { flags: { manifests: '/m' } });
    expect(flagged.values['sources.kubernetes.kubeconfig']).toBeUndefined();
    expect(flagged.warnings).toMatchObject([
      { problem: 'passed over, for a source of the cluster is named elsewhere' },
    ]);
  });

  it('has one file for another, relative to that which names it', () => {
    mkdirSync(join(directory, 'below'), { recursive: true });
    const config = read('sources: {manifests: {directory: below}}\nsavedState: {file: ""}');
    expect(config.values['sources.manifests.directory']).toBe(join(directory, 'below'));
    expect(config.values['savedState.file']).toBe('');
  });

  it('takes null for what is not there, and lists with commas from variables', () => {
    const config = read('dns: {port: null}\nproxy:\nhttp: null', {
      environment: { PODWIRE_DNS_NODE_LOCAL: '10.0.0.1, fd00::1', PODWIRE_CLUSTER_CIDR: '' },
    });
    expect(config.values['dns.port']).toBe(53);
    expect(config.values['dns.nodeLocal'].map(String)).toEqual(['10.0.0.1', 'fd00::1']);
    expect(config.values['proxy.clusterCIDRs']).toEqual([]);
  });

  it('passes over what Kubernetes tells pods of Services, and names a slip', () => {
    const config = read('', {
      environment: {
        PODWIRE_DNS_PORT: 'udp://10.96.0.10:53',
        PODWIRE_DNS_SERVICE_HOST: '10.96.0.10',
        PODWIRE_LOGLEVEL: 'debug',
      },
    });
    expect(config.values['dns.port']).toBe(53);
    expect(config.warnings).toEqual([
      { where: 'PODWIRE_LOGLEVEL', problem: 'nobody reads it; did you mean PODWIRE_LOG_LEVEL?' },
    ]);
  });
});

describe('what is wrong', () => {
  it.each<[string, string]>([
    ['dns:\n  port: 70000', '4:3: dns.port: expected a whole number from 0 to 65535, got 70000'],
    ['dns: {port: "53"}', '3:7: dns.port: expected a whole number from 0 to 65535, got "53"'],
    ['dns:\n  prot: 1', '4:3: dns.prot: there is no such field; did you mean "port"?'],
    ['DNS: {port: 1}', '3:1: DNS: there is no such field; did you mean "dns"?'],
    ['corefile: x', '3:1: corefile: there is no such field; did you mean "dns.corefile"?'],
    ['something: 1', '3:1: something: there is no such field'],
    ['dns: 5', '3:1: dns: expected a mapping, got 5'],
    ['dns:\n- 5', '3:1: dns: expected a mapping, got [5]'],
    ['dns: {nodeLocal: 10.0.0.1}', '3:7: dns.nodeLocal: expected a list, each of it an IP address'],
    ['dns: {nodeLocal: [x]}', '3:7: dns.nodeLocal: '],
    ['dns: {transferTo: [10.0.0.0/33]}', '3:7: dns.transferTo: '],
    [
      'dns: {corefile: a, logClasses: [all]}',
      '3:20: dns.logClasses: expected one of "success", "denial", "error", got "all"',
    ],
    [
      'dns: {logClasses: [error]}',
      '3:7: dns.logClasses: expected it beside dns.corefile (--corefile) only',
    ],
    [
      'dns: {corefile: a, clusterDomain: b}',
      '3:20: dns.clusterDomain: expected no such value beside dns.corefile (--corefile)',
    ],
    [
      'sources: {kubernetes: {kubeconfig: a, inCluster: true}}',
      '3:39: sources.kubernetes.inCluster: expected no such value beside sources.kubernetes.kubeconfig (--kubeconfig)',
    ],
    [
      'sources: {kubernetes: {server: "ftp://a"}}',
      '3:24: sources.kubernetes.server: expected a URL, got "ftp://a"',
    ],
    [
      'sources: {manifests: {directory: ""}}',
      '3:23: sources.manifests.directory: expected a directory, got ""',
    ],
    ['proxy: {masqueradeAll: 1}', '3:9: proxy.masqueradeAll: expected true or false, got 1'],
    [
      'proxy: {detectLocalMode: BridgeInterface, bridgeInterface: much-too-long-a-name}',
      '3:43: proxy.bridgeInterface: expected 1 to 15 bytes for mode BridgeInterface, got "much-too-long-a-name"',
    ],
    [
      'proxy: {detectLocalMode: BridgeInterface}',
      'proxy.bridgeInterface: expected 1 to 15 bytes for mode BridgeInterface, got ""',
    ],
    [
      'overlay: {backend: vxlan, network: ["fd00::/48"], mtu: 1279}',
      '3:51: overlay.mtu: expected at least 1280, for pods have IPv6 addresses, got 1279',
    ],
    [
      'proxy: {clusterCIDRs: [10.0.0.0/8, 11.0.0.0/8]}',
      '3:9: proxy.clusterCIDRs: expected at most one prefix of each family, got "10.0.0.0/8,11.0.0.0/8"',
    ],
    [
      'proxy: {conntrack: {udpTimeout: 5}}',
      '3:21: proxy.conntrack.udpTimeout: expected a duration such as 30s, 1h30m or 0s, got 5',
    ],
    [
      'http: {healthzBindAddress: localhost:1}',
      '3:8: http.healthzBindAddress: expected an IP address and a port such as 127.0.0.1:10249 or [::1]:10249, got "localhost:1"',
    ],
    [
      'log: {level: loud}',
      '3:7: log.level: expected one of "trace", "debug", "info", "warn", "error", "fatal", got "loud"',
    ],
    ['node: {name: " "}', `3:8: node.name: expected a node's name, got " "`],
    ['dns: [', '3:7: not YAML: '],
    [
      `proxy:\n  kubeProxyConfiguration:\n    ${KUBE_PROXY.replaceAll('\n', '\n    ')}mod: 1`,
      '7:5: proxy.kubeProxyConfiguration.mod: there is no such field; did you mean "mode"?',
    ],
    [`---\n${HEAD}`, '5:1: kind: expected one AgentConfiguration, got another one'],
    [`---\n- 1`, '4:1: expected a mapping, got [1]'],
  ])('is said of %j', (body, expected) => {
    const [first = '', ...more] = problems(() => read(body));
    expect(first).toContain(expected);
    expect(more).toEqual([]);
    if (/^\d/.test(expected)) expect(first).toMatch(/^agent\.yaml:\d/);
  });

  it.each<[string, string]>([
    ['', 'agent.yaml:1:1: expected podwire/v1alpha1 AgentConfiguration, got an empty file'],
    [
      'kind: Pod',
      'agent.yaml:1:1: kind: expected "AgentConfiguration" or "KubeProxyConfiguration", got "Pod"',
    ],
    [
      'apiVersion: podwire/v1\nkind: AgentConfiguration',
      'agent.yaml:1:1: apiVersion: expected "podwire/v1alpha1", got "podwire/v1"',
    ],
    [
      'apiVersion: v1\nkind: KubeProxyConfiguration',
      'agent.yaml:1:1: apiVersion: expected "kubeproxy.config.k8s.io/v1alpha1", got "v1"',
    ],
  ])('is said of the file %j', (text, expected) => {
    expect(problems(() => readFile(text))).toEqual([expected]);
  });

  it('is said of all there is at once', () => {
    const body = 'dns: {port: x, workers: 0}\nlog: {levle: info}';
    const given = {
      flags: { 'dns-ttl': 'y', 'log-level': ['info', 'warn'] },
      environment: { PODWIRE_MASQUERADE_ALL: 'yes' },
    };
    expect(problems(() => read(body, given))).toEqual([
      '--dns-ttl: expected a whole number from 0 to 3600, got "y"',
      '--log-level: expected it once, got it 2 times',
      'PODWIRE_MASQUERADE_ALL: expected true or false, got "yes"',
      'agent.yaml:3:7: dns.port: expected a whole number from 0 to 65535, got "x"',
      'agent.yaml:3:16: dns.workers: expected a whole number from 1 to 256, got 0',
      'agent.yaml:4:7: log.levle: there is no such field; did you mean "level"?',
    ]);
  });

  it('says of a URL with a password that it has one, and not which', () => {
    const [problem = ''] = problems(() =>
      read('', { flags: { master: 'https://me:secret@192.0.2.1' } }),
    );
    expect(problem).toBe('--master: expected a URL without a user or password in it');
  });

  it('names who names a file that can not be read', () => {
    const missing = join(directory, 'missing');
    const flags = { config: missing };
    expect(problems(() => readAgentConfig({ flags, environment: {} }))).toEqual([
      "--config: missing: ENOENT: no such file or directory, stat 'missing'",
    ]);
    expect(
      problems(() => readAgentConfig({ flags: {}, environment: { PODWIRE_CONFIG: '' } })),
    ).toEqual(['PODWIRE_CONFIG: expected a file, got ""']);
    expect(problems(() => read('proxy: {kubeProxyConfigurationFile: missing}'))).toEqual([
      "agent.yaml:3:9: proxy.kubeProxyConfigurationFile: missing: ENOENT: no such file or directory, stat 'missing'",
    ]);
  });

  it('is a KubeProxyConfiguration too many', () => {
    const body = `---\n${KUBE_PROXY}---\n${HEAD}proxy:\n  kubeProxyConfiguration:\n    ${KUBE_PROXY.replaceAll('\n', '\n    ')}`;
    expect(problems(() => readFile(body))).toEqual([
      'agent.yaml:7:1: proxy: expected one KubeProxyConfiguration, in a document or a field of its own or in a file, got 2',
    ]);
  });
});

describe('printConfig', () => {
  it.each([
    '',
    'dns: {corefile: /c, logClasses: [denial]}\nlog: {level: warn}',
    'sources: {kubernetes: {kubeconfig: /k, server: "https://[::1]:6443"}}\nsavedState: {file: ""}',
    'dns:\n  corefileText: |\n    .:53 {\n      errors\n    }\n',
    `proxy: {detectLocalMode: BridgeInterface, bridgeInterface: "yes", clusterCIDRs: [10.0.0.0/8], nodePortAddresses: ["0.0.0.0/0"], syncPeriod: 1h30m}`,
    `http: {healthzBindAddress: "", metricsBindAddress: "[::1]:7"}\n---\n${KUBE_PROXY}conntrack: {udpTimeout: 10us}`,
  ])('prints %j as a file that says the same', (body) => {
    const before = read(body);
    const after = readFile(printConfig(before, true));
    expect(after.values).toEqual({
      ...before.values,
      'proxy.kubeProxyConfigurationFile': undefined,
    });
    expect(after.kubeProxy).toEqual(before.kubeProxy);
    expect(after.warnings).toEqual([]);
  });
});
