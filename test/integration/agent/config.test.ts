import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('config');
const EXAMPLE = join(import.meta.dirname, '../../../examples/kube-proxy/config.yaml');
const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

const FILE = `/tmp/podwire-config-${process.pid}.yaml`;
afterEach(() => rmSync(FILE, { force: true }));

const sysctl = (name: string): string => fixture.exec('sysctl', '-n', name).trim();
/** Starts an agent with a configuration that it finds beside its manifests. */
async function configured(body: string, args: readonly string[] = []): Promise<RunningAgent> {
  fixture.exec('ip', 'link', 'set', 'lo', 'up');
  writeFileSync(FILE, `${HEAD}${body}`);
  return RunningAgent.start(fixture.name, [], ['--config', FILE, ...args]);
}

describe('podwire agent --config', () => {
  it('runs with the example, and sets what it says of connection tracking', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    await using agent = await RunningAgent.start(fixture.name, [], ['--config', EXAMPLE]);
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(agent.logged('configuration'), agent.told()).toBe(false);
    expect(ask(fixture.name, 'http://127.0.0.1:10256/livez').status).toBe(200);
    expect(sysctl('net.netfilter.nf_conntrack_tcp_timeout_established')).toBe('86400');
    expect(sysctl('net.netfilter.nf_conntrack_tcp_timeout_close_wait')).toBe('3600');
    expect(sysctl('net.netfilter.nf_conntrack_tcp_be_liberal')).toBe('1');
    // Only iptables needs packets from outside to be able to reach 127.0.0.1.
    expect(sysctl('net.ipv4.conf.all.route_localnet')).toBe('0');
    expect(sysctl('net.ipv4.conf.lo.route_localnet')).toBe('0');
    expect(fixture.exec('nft', 'list', 'set', 'ip', 'podwire', 'pods')).toContain('10.244.0.0/16');
  });

  it('runs with the example of our own kind, by the KubeProxyConfiguration and Corefile in it', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const example = join(import.meta.dirname, '../../../examples/agent/agent.yaml');
    await using agent = await RunningAgent.startAlone(fixture.name, ['--config', example]);
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(agent.logged('configuration'), agent.told()).toBe(false);
    expect(agent.logged('Corefile in force'), agent.told()).toBe(true);
    expect(ask(fixture.name, 'http://127.0.0.1:10249/metrics').body).toContain(
      'podwire_config_last_reload_successful 1',
    );
    expect(sysctl('net.netfilter.nf_conntrack_udp_timeout')).toBe('30');
    expect(fixture.exec('nft', 'list', 'set', 'ip', 'podwire', 'pods')).toContain('10.244.0.0/16');
    expect(fixture.exec('nft', 'list', 'ruleset')).toContain('10.96.0.20');
  });

  it('leaves timeouts alone that are 0, and keeps what is not said', async () => {
    const before = sysctl('net.netfilter.nf_conntrack_udp_timeout');
    fixture.exec('sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_timeout_established=77');
    await using agent = await configured(
      'conntrack: {tcpEstablishedTimeout: 0s, udpStreamTimeout: 200s}',
    );
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(sysctl('net.netfilter.nf_conntrack_tcp_timeout_established')).toBe('77');
    expect(sysctl('net.netfilter.nf_conntrack_udp_timeout_stream')).toBe('200');
    expect(sysctl('net.netfilter.nf_conntrack_udp_timeout')).toBe(before);
    expect(sysctl('net.netfilter.nf_conntrack_tcp_be_liberal')).toBe('0');
  });

  it('passes over flags but the name of the node, and says so', async () => {
    await using agent = await configured('metricsBindAddress: 127.0.0.1:7002\nportRange: 1-2', [
      '--metrics-bind-address=127.0.0.1:7003',
      '--masquerade-bit',
      '40',
      '--hostname-override',
      'n1',
    ]);
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(agent.log.filter(({ msg }) => msg === 'configuration')).toMatchObject([
      { where: '--masquerade-bit', problem: 'passed over: --config takes its place' },
      { where: '--metrics-bind-address', problem: 'passed over: --config takes its place' },
      { where: `${FILE}:4:1: portRange`, problem: 'not used' },
    ]);
    expect(ask(fixture.name, 'http://127.0.0.1:7002/proxyMode').body).toBe('nftables');
    expect(ask(fixture.name, 'http://127.0.0.1:7003/proxyMode').body).toBe('ECONNREFUSED');
  });

  it('tells pods by the podCIDRs of the Node, as they are now', async () => {
    await using agent = await configured('detectLocalMode: NodeCIDR\nhostnameOverride: n1');
    const node = (podCIDR: string) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      spec: { podCIDR, podCIDRs: [podCIDR] },
      status: {},
    });
    const pods = (): string => fixture.exec('nft', 'list', 'set', 'ip', 'podwire', 'pods');
    for (const prefix of ['10.1.2.0/24', '10.1.3.0/24']) {
      agent.write([node(prefix)]);
      await eventually(() => expect(pods(), agent.told()).toContain(`elements = { ${prefix} }`));
    }
  });

  it('is alive while it waits for the API server, whatever the period', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    writeFileSync(FILE, `${HEAD}iptables: {syncPeriod: 50ms}`);
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }] },
    };
    const args = ['--config', FILE, '--master', 'http://127.0.0.1:1', '--saved-state', ''];
    await using agent = await RunningAgent.start(fixture.name, [service], args);
    expect(agent.exitCode, agent.told()).toBeNull();
    const get = (path: string) => ask(fixture.name, `http://127.0.0.1:10256${path}`);
    // To ask takes longer than the two periods after which something that waits is an illness.
    for (let time = 0; time < 5; time += 1) expect(get('/livez').status, agent.told()).toBe(200);
    expect(get('/readyz').status).toBe(503);
    // Not all Services are known, so nothing is taken from the kernel either.
    expect(fixture.exec('nft', 'list', 'ruleset')).toBe('');
  });

  it('is another one when a ConfigMap that is mounted changes', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const mount = mkdtempSync('/tmp/podwire-config-map-');
    // As kubelet does it: the file is a link through a link, which is exchanged.
    const write = (version: string, body: string): void => {
      mkdirSync(join(mount, version));
      writeFileSync(join(mount, version, 'config.conf'), `${HEAD}${body}`);
      symlinkSync(version, join(mount, '..data_tmp'));
      renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    write('..1', 'conntrack: {udpStreamTimeout: 201s}\n');
    symlinkSync('..data/config.conf', join(mount, 'config.conf'));
    await using agent = await RunningAgent.start(
      fixture.name,
      [],
      ['--config', join(mount, 'config.conf')],
    );
    expect(agent.exitCode, agent.told()).toBeNull();
    const timeout = () => sysctl('net.netfilter.nf_conntrack_udp_timeout_stream');
    expect(timeout()).toBe('201');
    write('..2', 'conntrack: {udpStreamTimeout: 202s}\n');
    await eventually(() => expect(timeout(), agent.told()).toBe('202'));
    // kube-proxy ends itself to become what this says; here it waits for whoever restarts the agent.
    write('..3', 'mode: iptables\nconntrack: {udpStreamTimeout: 203s}\n');
    const waits = 'these options stay as they are until the agent is restarted';
    await eventually(() => expect(agent.logged(waits), agent.told()).toBe(true));
    expect(agent.told()).toContain('proxy.mode');
    expect(timeout()).toBe('203');
    write('..4', 'conntrack: {udpStreamTimeout: 2}\n');
    const refused = 'configuration refused; the one before it stays in force';
    await eventually(() => expect(agent.logged(refused), agent.told()).toBe(true));
    expect(timeout()).toBe('203');
    expect(agent.exitCode).toBeNull();
    rmSync(mount, { recursive: true });
  });

  it.each([
    ['conntrack:\n  most: 1', ':4:3: conntrack.most: there is no such field'],
    ['mode: ebpf', ':3:1: mode: expected one of'],
  ])('refuses %j before it does anything', async (body, message) => {
    await using agent = await configured(body);
    expect(agent.exitCode).toBe(2);
    expect(agent.stderr).toContain(message);
    expect(agent.log).toEqual([]);
    expect(fixture.exec('nft', 'list', 'ruleset')).toBe('');
  });

  it('is named in the error when it can not be read', async () => {
    await using agent = await RunningAgent.start(fixture.name, [], ['--config', '/nonexistent']);
    expect(agent.exitCode).toBe(2);
    expect(agent.stderr).toContain('--config: /nonexistent: ENOENT');
    expect(readFileSync(EXAMPLE, 'utf8')).toContain('KubeProxyConfiguration');
  });
});
