import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { Store } from '../../../src/cluster/store.ts';
import type { SyncResult } from '../../../src/proxy/backend.ts';
import { IptablesBackend } from '../../../src/proxy/iptables/backend.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import type { NodeRules } from '../../../src/proxy/node.ts';
import { modelSettings, nodeRules } from '../../conformance/proxy/settings.ts';
import {
  cluster,
  FAMILIES,
  outerService,
  READY,
  service,
  slices,
} from '../../conformance/proxy/world.ts';
import { useNetns } from '../netns-fixture.ts';

/* The backend of iptables and what lies in the tables, as its programs tell, in both flavours. */

const fixture = useNetns('iptables');

/** A backend with a cluster in front of it. */
class Played {
  readonly store = new Store();
  readonly table = new RouteTable(modelSettings({}));
  readonly node: NodeRules;
  readonly #backend: IptablesBackend;

  constructor(backend: IptablesBackend, node: NodeRules = nodeRules({})) {
    this.#backend = backend;
    this.node = node;
    this.store.subscribe((state, touched) => this.table.update(state, touched));
  }

  sync(...objects: readonly ClusterObject[]): Promise<SyncResult> {
    this.store.replace(objects);
    return this.again();
  }

  again(): Promise<SyncResult> {
    return this.#backend.sync({
      node: this.node,
      routes: () => this.table.routes(),
      changes: this.table.takeChanges().routes,
    });
  }
}

const named = (name: string, more: Parameters<typeof service>[0] = {}): ClusterObject => ({
  ...service(more),
  metadata: { name, namespace: 'default', labels: {}, annotations: {} },
});

describe.each(['nft', 'legacy'] as const)('IptablesBackend, %s', (flavour) => {
  const save = (table: string, family = 4): string[] =>
    fixture
      .exec(`${family === 4 ? 'iptables' : 'ip6tables'}-${flavour}-save`, '-t', table)
      .split('\n')
      .filter((line) => line.startsWith('-A') || line.startsWith(':KUBE'));
  const iptables = (...args: string[]): string => fixture.exec(`iptables-${flavour}`, ...args);
  const all = (): string[] =>
    FAMILIES.flatMap((family) =>
      ['filter', 'nat', 'mangle'].flatMap((table) => save(table, family)),
    ).sort();
  const open = () => IptablesBackend.open(fixture.netns, { flavour });

  it('adopts what is there, and then writes what changes and nothing else', async () => {
    iptables('-t', 'nat', '-A', 'PREROUTING', '-s', '192.0.2.1', '-j', 'RETURN');
    using backend = open();
    const played = new Played(backend);
    const first = await played.sync(...cluster(outerService()));
    expect(first).toMatchObject({ full: true, quarantined: [] });
    const before = all();
    expect(before).toContain('-A PREROUTING -s 192.0.2.1/32 -j RETURN');

    using restarted = open();
    const again = new Played(restarted);
    expect(await again.sync(...cluster(outerService()))).toMatchObject({ changes: 0, full: true });
    expect(all()).toEqual(before);

    const fewer = await again.sync(...cluster(outerService(), { a: READY, b: READY }));
    expect(fewer).toMatchObject({ full: false });
    // Of each family the chain that picks with its three rules, and those of two endpoints that go.
    expect(fewer.changes).toBe(2 * (1 + 3 + 2));
    const stepwise = all();
    restarted.invalidate();
    using anew = open();
    expect(await new Played(anew).sync(...cluster(outerService(), { a: READY, b: READY }))).toEqual(
      expect.objectContaining({ changes: 0 }),
    );
    expect(all()).toEqual(stepwise);
  });

  it('counts rules as they are in the tables', async () => {
    using backend = open();
    const { rules = [] } = await new Played(backend).sync(...cluster(outerService()));
    for (const { family, table, total } of rules) {
      const inOurs = save(table, family).filter((line) => line.startsWith('-A KUBE-'));
      expect(total, `${family} ${table}`).toBe(inOurs.length);
    }
    expect(rules).toHaveLength(4);
  });

  it.each([
    ['flushes nat', ['-t', 'nat', '-F']],
    ['takes the jump away', ['-t', 'nat', '-D', 'PREROUTING', '1']],
    ['deletes a rule', ['-t', 'nat', '-D', 'KUBE-SERVICES', '1']],
    ['adds a rule', ['-t', 'filter', '-I', 'KUBE-FORWARD', '-j', 'DROP']],
  ])('is told and repairs when somebody %s', async (_, command) => {
    using backend = open();
    const played = new Played(backend);
    await played.sync(...cluster(outerService()));
    const before = all();
    const onDrift = vi.fn();
    using _watch = backend.watch(onDrift);
    // Our own changes are none of that.
    await played.sync(...cluster(outerService(), { a: READY }));
    await played.sync(...cluster(outerService()));
    expect(all()).toEqual(before);
    iptables(...command);
    expect(all()).not.toEqual(before);
    await vi.waitFor(() => expect(onDrift).toHaveBeenCalledTimes(1), { timeout: 10_000 });
    backend.invalidate();
    await played.again();
    expect(all()).toEqual(before);
  });

  it('takes what others do in the tables for what it is', async () => {
    using backend = open();
    const played = new Played(backend);
    await played.sync(...cluster(outerService()));
    const onDrift = vi.fn();
    using _watch = backend.watch(onDrift);
    iptables('-t', 'nat', '-N', 'OTHER');
    iptables('-t', 'nat', '-A', 'OTHER', '-j', 'RETURN');
    backend.invalidate();
    expect(await played.again()).toMatchObject({ changes: 0 });
    expect(onDrift).not.toHaveBeenCalled();
    expect(iptables('-t', 'nat', '-S', 'OTHER')).toContain('-A OTHER -j RETURN');
  });

  it('sets aside what is refused, and serves the rest', async () => {
    using backend = open();
    const played = new Played(backend);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const objects = names.map((name, at) => named(name, { clusterIPs: [`172.30.0.${at + 1}`] }));
    // There is no such port.
    const wrong = slices({ a: READY }, { name: 'c', of: 'c', port: 70_000 });
    const { quarantined } = await played.sync(...objects, ...wrong);
    expect(quarantined.map(({ route }) => route.name)).toEqual(['default/c']);
    expect(quarantined[0]?.error.message).toContain('70000');
    const served = save('filter').filter((line) => line.includes('has no endpoints'));
    expect(served).toHaveLength(4);
    const after = await played.sync(...objects);
    expect(after).toMatchObject({ quarantined: [], full: false });
    expect(save('filter').filter((line) => line.includes('has no endpoints'))).toHaveLength(5);
  });

  it('leaves what is not its own when it cleans up', async () => {
    iptables('-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP');
    const before = save('filter');
    using backend = open();
    const node = { ...nodeRules({}), nodePortAddrs: 'all' as const, localhostNodePorts: true };
    await new Played(backend, node).sync(...cluster(outerService()));
    expect(save('filter').length).toBeGreaterThan(before.length + 10);
    expect(backend.cleanup()).toHaveLength(6);
    // The kubelet's, which keeps others off loopback.
    const kubelets = save('filter').filter((line) => line.includes('KUBE-FIREWALL'));
    expect(kubelets).toHaveLength(4);
    expect(save('filter').filter((line) => !line.includes('KUBE-FIREWALL'))).toEqual(before);
    expect(save('nat')).toEqual([]);
    expect(backend.cleanup()).toEqual([]);
  });

  it('goes on where a clean-up ended half-way', async () => {
    using backend = open();
    await new Played(backend).sync(...cluster(outerService()));
    // A chain that others lead to can't go.
    iptables('-A', 'OUTPUT', '-s', '192.0.2.1', '-j', 'KUBE-FORWARD');
    expect(() => backend.cleanup()).toThrow(`iptables-${flavour}-restore failed`);
    expect(save('nat')).toEqual([':KUBE-PROXY-CANARY - [0:0]', expect.stringMatching(/podwire$/)]);
    expect(save('filter').length).toBeGreaterThan(10);
    iptables('-D', 'OUTPUT', '-s', '192.0.2.1', '-j', 'KUBE-FORWARD');
    expect(backend.cleanup()).toHaveLength(5);
    expect(all().filter((line) => line.includes('KUBE-'))).toEqual(
      all().filter((line) => line.includes('KUBE-FIREWALL')),
    );
    expect(backend.cleanup()).toEqual([]);
  });

  it('writes many Services that come and go at once', async () => {
    using backend = open();
    const played = new Played(backend);
    const many = Array.from({ length: 260 }, (_, at) => [
      named(`web-${at}`, { clusterIPs: [`172.30.${at >> 8}.${at & 255}`] }),
      {
        kind: 'EndpointSlice' as const,
        metadata: {
          name: `web-${at}`,
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': `web-${at}` },
          annotations: {},
        },
        addressType: 'IPv4' as const,
        ports: [{ name: '', protocol: 'TCP' as const, port: 8080 }],
        endpoints: [1, 2, 3, 4].map((host) => ({
          addresses: [`10.${host}.${at >> 8}.${at & 255}`],
          conditions: {},
        })),
      },
    ]);
    // Above a thousand endpoints rules of endpoints have no comments.
    await played.sync(...many.flat());
    expect(save('nat').filter((line) => line.startsWith(':KUBE-SEP-'))).toHaveLength(1040);
    expect(save('nat').filter((line) => line.includes(' -> '))).toEqual([]);
    await played.sync(...many.slice(0, 200).flat());
    await played.sync(...many.slice(0, 199).flat());
    const stepwise = all();
    expect(save('nat').filter((line) => line.startsWith(':KUBE-SEP-'))).toHaveLength(796);
    using other = open();
    await new Played(other).sync(...many.slice(0, 199).flat());
    backend.cleanup();
    using anew = open();
    await new Played(anew).sync(...many.slice(0, 199).flat());
    const uncommented = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/-m comment --comment ("[^"]*"|\S+) /, '')).sort();
    expect(uncommented(all())).toEqual(uncommented(stepwise));
  });
});

describe('the lock of iptables-legacy', () => {
  it('is waited for while others hold it', async () => {
    using backend = IptablesBackend.open(fixture.netns, { flavour: 'legacy' });
    const played = new Played(backend);
    await played.sync(...cluster(outerService()));
    const holding = 'echo held; exec sleep 60';
    const holder = spawn('flock', ['-F', '/run/xtables.lock', 'sh', '-c', holding], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(holder, 'exit');
    if (holder.stdout === null) throw new Error('no output');
    await once(holder.stdout, 'data');
    let isDone = false;
    const change = played.sync(...cluster(outerService(), { a: READY })).then((result) => {
      isDone = true;
      return result;
    });
    // A request that waits has an arrow.
    await vi.waitFor(() => expect(readFileSync('/proc/locks', 'utf8')).toContain('-> FLOCK'), {
      timeout: 4_000,
    });
    expect(isDone).toBe(false);
    holder.kill('SIGKILL');
    await ended;
    expect(await change).toMatchObject({ full: false, quarantined: [] });
  });
});
