import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HealthRegistry } from '../../../src/agent/health/registry.ts';
import { KUBE_PROXY_DEFAULTS } from '../../../src/agent/kube-proxy/settings.ts';
import { openLog } from '../../../src/agent/log.ts';
import { setConntrackSysctls } from '../../../src/agent/sysctls.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES } from '../../../src/proxy/node.ts';
import { useNetns } from '../../integration/netns-fixture.ts';

/* What the proxy finds on a node, and sets there, where the kernel has less than the newest has. */

const fixture = useNetns('vm-proxy-node');
const SLOW = { timeout: 120_000 };

describe('connection tracking of the first network namespace', SLOW, () => {
  it('has room for as many connections as it was told, and their timeouts', () => {
    const told = { log: openLog('error'), health: new HealthRegistry() };
    const settings = {
      ...KUBE_PROXY_DEFAULTS.conntrack,
      maxPerCore: 1000,
      min: 400_000,
      tcpEstablishedTimeoutMs: 7_200_000,
      tcpCloseWaitTimeoutMs: 1_800_000,
      udpTimeoutMs: 40_000,
      udpStreamTimeoutMs: 200_000,
      tcpBeLiberal: true,
    };
    setConntrackSysctls(told, settings, 2);
    const names = [
      'max',
      'tcp_timeout_established',
      'tcp_timeout_close_wait',
      'udp_timeout',
      'udp_timeout_stream',
      'tcp_be_liberal',
    ];
    const read = (path: string): string => readFileSync(path, 'utf8').trim();
    expect(names.map((name) => read(`/proc/sys/net/netfilter/nf_conntrack_${name}`))).toEqual([
      '400000',
      '7200',
      '1800',
      '40',
      '200',
      '1',
    ]);
    const buckets = Number(read('/sys/module/nf_conntrack/parameters/hashsize'));
    expect(buckets).toBeGreaterThanOrEqual(100_000);
    // What is there already is not taken away.
    setConntrackSysctls(told, { ...settings, min: 300_000 }, 2);
    expect(read('/proc/sys/net/netfilter/nf_conntrack_max')).toBe('400000');
  });
});

describe('a kernel whose tables go with their owner', SLOW, () => {
  it('gets tables that others can change, and it is said and repaired', async () => {
    using backend = NftablesBackend.open(fixture.netns);
    const desired = { node: DEFAULT_NODE_RULES, routes: () => [], changes: new Map() };
    backend.sync(desired);
    expect(backend.protection).toMatchObject({ isOwned: false });
    expect(backend.protection?.reason).toMatch(/no tables that are owned and outlive their owner/);
    const drifted = vi.fn();
    using _watch = backend.watch(drifted);
    const before = fixture.exec('nft', 'list', 'ruleset');
    expect(before).toContain('table ip podwire {');
    fixture.exec('nft', 'delete', 'table', 'ip', 'podwire');
    await vi.waitFor(() => expect(drifted).toHaveBeenCalled(), { timeout: 10_000 });
    backend.invalidate();
    backend.sync(desired);
    expect(fixture.exec('nft', 'list', 'ruleset').split('\n').sort()).toEqual(
      before.split('\n').sort(),
    );
  });
});

describe('a kernel that lacks a module', SLOW, () => {
  const CONFIG = '/etc/modprobe.d/podwire-test.conf';
  afterEach(() => rmSync(CONFIG, { force: true }));

  it('is told of before anything is changed', () => {
    const module = 'nft_numgen';
    using backend = NftablesBackend.open(fixture.netns);
    writeFileSync(CONFIG, `install ${module} /bin/false\n`);
    execFileSync('modprobe', ['-r', module], { stdio: 'pipe' });
    expect(() => backend.probe()).toThrow(/^the kernel can't run Services on nftables: .*ENOENT/);
    expect(fixture.exec('nft', 'list', 'ruleset')).toBe('');
    rmSync(CONFIG);
    expect(() => backend.probe()).not.toThrow();
  });
});
