import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KUBE_PROXY_DEFAULTS, proxyOptionsOf } from '../../../src/agent/kube-proxy/settings.ts';
import { ManifestDirectory } from '../../../src/cluster/manifests/directory.ts';
import { writeState } from '../../../src/cluster/saved-state/file.ts';
import { Store } from '../../../src/cluster/store.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { ConntrackConnection, flowList } from '../../../src/netlink/conntrack/connection.ts';
import type { ProxyBackend } from '../../../src/proxy/backend.ts';
import {
  type ExplainOptions,
  explainPacket,
  originOf,
  type PacketExplanation,
} from '../../../src/proxy/explain/explain.ts';
import { IptablesBackend } from '../../../src/proxy/iptables/backend.ts';
import type { LiveCheck } from '../../../src/proxy/live-check.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import type { PacketTrace } from '../../../src/proxy/nftables/packet-trace.ts';
import { DEFAULT_NODE_RULES } from '../../../src/proxy/node.ts';
import { nodeRulesIn, settingsIn } from '../../../src/proxy/options.ts';
import type { CaseSettings, Probe } from '../../conformance/proxy/case.ts';
import { CASES } from '../../conformance/proxy/cases.ts';
import { modelSettings, nodeRules } from '../../conformance/proxy/settings.ts';
import { ADDR, cluster, FAMILIES, type Family, service } from '../../conformance/proxy/world.ts';
import { useNetns } from '../netns-fixture.ts';

function optionsOf(settings: CaseSettings, store: Store): ExplainOptions {
  const local: readonly string[] = [ADDR.N1, ADDR.other].flatMap((each) => [each[4], each[6]]);
  const serviceCidrs = [...store.serviceCidrs.values()].flatMap(({ cidrs }) =>
    cidrs.map((text) => parsePrefix(text)),
  );
  return {
    settings: modelSettings(settings),
    node: { ...nodeRules(settings), serviceCidrs },
    knowsClusterIPs: true,
    isLocal: (addr) => local.includes(`${addr}`),
  };
}

function explain(
  store: Store,
  { from, to, port, protocol = 'TCP' }: Probe,
  family: Family,
  settings: CaseSettings,
): PacketExplanation {
  const options = optionsOf(settings, store);
  const source = parseAddr(ADDR[from === 'H' ? 'N1' : from][family]);
  const destination = parseAddr(ADDR[to][family]);
  const packet = { source, destination, port, protocol, origin: originOf(source, options) };
  return explainPacket(store, packet, options).explanation;
}

describe('explainPacket', () => {
  for (const [part, cases] of Object.entries(CASES)) {
    it.each(cases.map((each) => [each.name, each] as const))(`${part}: %s`, (_, { steps }) => {
      const store = new Store();
      for (const { objects, probes, settings = {} } of steps) {
        store.replace(objects);
        // What goes on with a flow of its own is none of the rules' concern.
        for (const probe of probes.filter(({ goesOn }) => goesOn !== true)) {
          for (const family of FAMILIES.filter((each) => (probe.family ?? each) === each)) {
            const seen = explain(store, probe, family, settings);
            const what = JSON.stringify(seen, undefined, 1);
            const isForward = typeof probe.expect !== 'string';
            expect(seen.verdict, what).toBe(isForward ? 'forward' : probe.expect);
            const pods = isForward ? probe.expect.map((pod) => ADDR[pod][family]) : [];
            const addrs = seen.endpoints.map((text) => text.replace(/^\[?(.*?)\]?:\d+$/, '$1'));
            // Which of them an affinity has chosen, only time tells.
            if (probe.sticky === undefined) expect(addrs.sort(), what).toEqual([...pods].sort());
            else expect(addrs, what).toEqual(expect.arrayContaining([...pods]));
            expect(seen.steps.at(-1)?.says).toContain(seen.verdict);
            if (probe.masquerade === true) expect(seen.masquerade, what).not.toBe('no');
          }
        }
      }
    });
  }

  it.each([
    ['ExternalName', service({ type: 'ExternalName' }), 'by its type ExternalName'],
    [
      'another proxy',
      service({
        metadata: {
          name: 'web',
          namespace: 'default',
          labels: { 'service.kubernetes.io/service-proxy-name': 'x' },
          annotations: {},
        },
      }),
      'by its label service.kubernetes.io/service-proxy-name',
    ],
    ['another port', service({ ports: [{ name: '', protocol: 'UDP', port: 9 }] }), 'with 9/UDP'],
  ])('says why a Service that has the address is passed over: %s', (_, web, says) => {
    const store = new Store();
    store.replace(cluster(web));
    const seen = explain(store, { from: 'a', to: 'vip', port: 80, expect: 'pass' }, 4, {});
    expect(seen.steps.find(({ what }) => what === 'Service default/web')?.says).toContain(says);
  });
});

const MANIFEST = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.20, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.10]}, {addresses: [10.244.0.11]}]
`;

interface Live extends PacketExplanation {
  readonly live: { readonly elements: readonly LiveCheck[]; readonly trace: PacketTrace | null };
}

describe('podwire explain packet', () => {
  const fixture = useNetns('explain');
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'podwire-explain-'));
    writeFileSync(join(directory, 'web.yaml'), MANIFEST);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const entry = join(import.meta.dirname, '../../../src/entry.ts');
  const run = (...args: string[]): { status: number; output: string } => {
    const command = ['--no-warnings', entry, 'explain', 'packet', ...args];
    return fixture.netns.run(() => {
      try {
        const flags = ['--manifests', directory, '--hostname-override', 'n1'];
        const output = execFileSync(process.execPath, [...command, ...flags], {
          encoding: 'utf8',
          stdio: 'pipe',
        });
        return { status: 0, output };
      } catch (error) {
        const { status, stdout, stderr } = error as { status: number } & Record<string, string>;
        return { status, output: `${stdout}${stderr}` };
      }
    });
  };
  const live = (...args: string[]): { status: number; seen: Live } => {
    const { status, output } = run('10.96.0.20', '80', '--live', '-o', 'json', ...args);
    return { status, seen: JSON.parse(output) as Live };
  };
  /** Has the kernel do what the manifest says. */
  const sync = async (
    backend: ProxyBackend = NftablesBackend.open(fixture.netns, { own: false }),
  ): Promise<void> => {
    using _backend = backend;
    const store = new Store();
    const slices = ['10.244.0.10', '10.244.0.11'].map((address) => ({
      addresses: [address],
      conditions: {},
    }));
    store.replace([
      { ...service({ clusterIPs: ['10.96.0.20'] }) },
      {
        kind: 'EndpointSlice',
        metadata: {
          name: 'web-1',
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': 'web' },
          annotations: {},
        },
        addressType: 'IPv4',
        ports: [{ name: '', protocol: 'TCP', port: 8080 }],
        endpoints: slices,
      },
    ]);
    const settings = modelSettings({ detector: 'none' });
    const table = new RouteTable(settings);
    table.update(store, [...store.services.keys()]);
    const changes = table.takeChanges().routes;
    const node = { ...DEFAULT_NODE_RULES, nodePortAddrs: 'all' as const };
    await backend.sync({ node, routes: () => table.routes(), changes });
  };
  const nft = (...args: string[]): string => fixture.exec('nft', ...args);
  const wire = (): void => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('ip', 'addr', 'add', '192.0.2.1/32', 'dev', 'lo');
    fixture.exec('ip', 'route', 'add', 'default', 'dev', 'lo', 'src', '192.0.2.1');
  };

  it('says it for people, and names what is wrong with a question', () => {
    const { status, output } = run('10.96.0.20', '80', '--source', '10.244.0.10');
    expect(status).toBe(0);
    expect(output).toContain('10.244.0.10 to 10.96.0.20:80/TCP, from outside: forward');
    expect(output).toMatch(/Service default\/web +has 10\.96\.0\.20 as its cluster IP/);
    expect(output).toMatch(/EndpointSlice default\/web-1 +port 8080: 2 ready/);
    expect(run('10.96.0.20', '80', '--source', '::1').output).toContain('expected an IPv4 address');
    expect(run('10.96.0.20', '0', '--source', '10.0.0.1')).toMatchObject({ status: 2 });
  });

  it('goes by what the agent has saved where no server can be asked', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const part = new Store().part();
    new ManifestDirectory(directory).scan((objects) => part.apply(objects, []));
    const file = join(directory, 'cluster-state');
    const origin = 'http://127.0.0.1:1';
    await writeState(file, { origin, savedMs: 0, objects: [...part.objects()] });
    const explain = (...args: string[]) => {
      const all = ['--no-warnings', entry, 'explain', 'packet', '10.96.0.20', '80', ...args];
      const options = {
        encoding: 'utf8',
        env: { ...process.env, STATE_DIRECTORY: directory },
      } as const;
      const from = ['--source', '10.0.0.1'];
      const { status, stdout, stderr } = fixture.netns.run(() =>
        spawnSync(process.execPath, [...all, ...from], options),
      );
      return { status, stdout, stderr };
    };
    const at = 'this is what was saved of http://127.0.0.1:1 at 1970-01-01T00:00:00.000Z';
    const unnamed = explain();
    expect(unnamed).toMatchObject({ status: 0, stderr: `podwire: no source is named; ${at}\n` });
    expect(unnamed.stdout).toContain('from outside: forward');
    const away = explain('--master', origin);
    expect(away.stderr).toMatch(/ECONNREFUSED.*this is what was saved at 1970-01-01T00:00:00.000Z/);
    expect(away.stdout).toBe(unnamed.stdout);
    expect(explain('--saved-state', '')).toMatchObject({ status: 2, stdout: '' });
  });

  it('finds every element that the packet meets, and follows one through the rules', async () => {
    wire();
    await sync();
    const before = nft('list', 'ruleset');
    const { status, seen } = live();
    expect(seen.packet).toMatchObject({ source: '192.0.2.1', from: 'host' });
    expect(seen.live.elements.filter(({ state }) => state !== 'same')).toEqual([]);
    expect(seen.live.elements.map(({ set }) => set)).toEqual([
      'cluster-ips',
      'endpoints',
      'endpoints',
      'cluster-addrs',
    ]);
    expect(status).toBe(0);
    const steps = seen.live.trace?.steps.map(({ chain, verdict }) => `${chain}: ${verdict}`);
    expect(steps?.slice(0, 8)).toEqual([
      'check-output: goto check',
      'check: goto strays',
      'strays: return',
      'check-output: accept',
      'output: goto from-node',
      'from-node: goto pick',
      'pick: goto pick-2',
      'pick-2: accept',
    ]);
    // Nothing of it is left.
    expect(nft('list', 'ruleset')).toBe(before);
  });

  it('tells what is missing, what is too much and what is otherwise', async () => {
    wire();
    await sync();
    const differing = (): string[] =>
      live('--source', '10.0.0.1', '--from', 'outside')
        .seen.live.elements.filter(({ state }) => state !== 'same')
        .map(({ state, set, wanted, actual }) => `${state} ${set} ${wanted} ${actual}`);
    nft('delete', 'element', 'ip', 'podwire', 'endpoints', '{ 0:1000 . 0x1 }');
    nft('add', 'element', 'ip', 'podwire', 'endpoints', '{ 0:1000 . 0x1 : 10.9.9.9 . 80 }');
    expect(differing()).toEqual([
      'extra endpoints undefined 10.9.9.9:80',
      'missing endpoints 10.244.0.11:8080 undefined',
    ]);
    nft('add', 'element', 'ip', 'podwire', 'refused-ips', '{ 10.96.0.20 . tcp . 80 }');
    nft('flush', 'chain', 'ip', 'podwire', 'from-outside');
    expect(differing()).toEqual(
      expect.arrayContaining([
        'different chain from-outside 5 rules 0 rules, other ones',
        'extra refused-ips undefined there',
      ]),
    );
    nft('delete', 'element', 'ip', 'podwire', 'cluster-ips', '{ 10.96.0.20 . tcp . 80 }');
    expect(differing()).toContain('missing cluster-ips pick-2 undefined');
    expect(live('--source', '10.0.0.1').status).toBe(1);
  });

  it.each(['nft', 'legacy'] as const)('reads the rules of iptables, %s', async (flavour) => {
    wire();
    await sync(IptablesBackend.open(fixture.netns, { flavour }));
    const inMode = ['--proxy-mode', 'iptables', '--iptables-localhost-nodeports=false'];
    const { status, seen } = live(...inMode);
    expect(seen.live.elements.filter(({ state }) => state !== 'same')).toEqual([]);
    expect(status).toBe(0);
    // Of KUBE-SERVICES, of the chain that picks, and of each endpoint's.
    expect(seen.live.elements).toHaveLength(1 + 2 + 2 * 2);
    expect(seen.live.trace?.outcome).toBeDefined();
    const chain = seen.live.elements.find(({ set }) => set.includes('KUBE-SVC-'))?.set.slice(4);
    fixture.exec(`iptables-${flavour}`, '-t', 'nat', '-D', chain ?? '', '2');
    fixture.exec(`iptables-${flavour}`, '-t', 'nat', '-D', 'PREROUTING', '1');
    const after = live(...inMode);
    expect(after.status).toBe(1);
    const differing = after.seen.live.elements.filter(({ state }) => state !== 'same');
    expect(differing.map(({ state, set }) => `${state} ${set}`)).toEqual([
      'missing nat PREROUTING',
      `missing nat ${chain}`,
    ]);
    const other = run('10.96.0.20', '81', '--source', '10.0.0.1', ...inMode);
    expect(other.output).toMatch(/: pass\n/);
    expect(other.output).toMatch(/mode +has rules for ports of Services alone/);
  });
});

const ALL_PROTOCOLS = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIPs: [10.96.0.20, "fd00:96::20"]
  ports:
  - {name: t, protocol: TCP, port: 80, nodePort: 30080}
  - {name: u, protocol: UDP, port: 80, nodePort: 30080}
  - {name: s, protocol: SCTP, port: 80, nodePort: 30080}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-4, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports:
- {name: t, protocol: TCP, port: 8080}
- {name: u, protocol: UDP, port: 8080}
- {name: s, protocol: SCTP, port: 8080}
endpoints: [{addresses: [10.244.1.10]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-6, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports:
- {name: t, protocol: TCP, port: 8080}
- {name: u, protocol: UDP, port: 8080}
- {name: s, protocol: SCTP, port: 8080}
endpoints: [{addresses: ["fd00:244:1::10"]}]
`;

describe('podwire explain packet --live, of a packet that the node does not send', () => {
  const fixture = useNetns('inject');
  const CLUSTER = '10.244.0.0/24,fd00:244::/64';
  let directory: string;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'podwire-inject-'));
    writeFileSync(join(directory, 'web.yaml'), ALL_PROTOCOLS);
    for (const command of [
      'link set lo up',
      // Pods of this node are on a bridge, all others are beyond a cable.
      'link add cni0 type bridge',
      'link set cni0 up',
      'addr add 10.244.0.1/24 dev cni0',
      'addr add fd00:244::1/64 dev cni0 nodad',
      'link add pod type veth peer name eth0',
      'link set eth0 up',
      'link set pod master cni0 up',
      'link add out type veth peer name peer',
      'link set out up',
      'link set peer up',
      'addr add 192.0.2.1/24 dev out',
      'addr add 2001:db8:2::1/64 dev out nodad',
      'route add default dev out',
      '-6 route add default dev out',
    ]) {
      fixture.exec('ip', ...command.split(' '));
    }
    fixture.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    const store = new Store();
    const part = store.part();
    new ManifestDirectory(directory).scan((objects) => part.apply(objects, []));
    const options = proxyOptionsOf({
      ...KUBE_PROXY_DEFAULTS,
      nodeName: 'n1',
      clusterCIDRs: CLUSTER.split(',').map(parsePrefix),
    });
    using backend = NftablesBackend.open(fixture.netns, { own: false });
    const table = new RouteTable(settingsIn(store, options));
    table.update(store, [...store.services.keys()]);
    backend.sync({
      node: nodeRulesIn(store, options),
      routes: () => table.routes(),
      changes: new Map(),
    });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const explain = (...args: string[]): Live => {
    const entry = join(import.meta.dirname, '../../../src/entry.ts');
    const flags = ['--manifests', directory, '--live', '-o', 'json', ...args];
    const command = ['--no-warnings', entry, 'explain', 'packet', ...flags];
    // Its status says whether anything differs, which it may.
    const run = () => spawnSync(process.execPath, command, { encoding: 'utf8' });
    const { stdout, stderr } = fixture.netns.run(run);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Live;
  };

  it('follows it from a pod and from outside, in each protocol, and leaves nothing', () => {
    using conntrack = ConntrackConnection.open(fixture.netns);
    const all = (): string[] => [
      fixture.exec('nft', 'list', 'ruleset'),
      // Names and addresses; a state settles by itself.
      fixture.exec('ip', '-br', 'link').replaceAll(/ (UP|UNKNOWN) +/g, ' '),
    ];
    const before = all();
    for (const [protocol, source, to, chain, seen] of [
      [
        'TCP',
        '10.244.0.10',
        ['10.96.0.20', '80'],
        'from-pods',
        /^would leave as 10\.244\.0\.10:\d+ to 10\.244\.1\.10:8080\/TCP/,
      ],
      [
        'UDP',
        'fd00:244::10',
        ['fd00:96::20', '80'],
        'from-pods',
        /^would leave as \[fd00:244::10\]:\d+ to \[fd00:244:1::10\]:8080\/UDP/,
      ],
      [
        'SCTP',
        '198.51.100.7',
        ['192.0.2.1', '30080'],
        'from-outside',
        /^would leave as 192\.0\.2\.1:\d+ to 10\.244\.1\.10:8080\/SCTP/,
      ],
      [
        'TCP',
        '2001:db8:7::7',
        ['2001:db8:2::1', '30080'],
        'from-outside',
        /^would leave as \[2001:db8:2::1\]:\d+ to \[fd00:244:1::10\]:8080\/TCP/,
      ],
    ] as const) {
      const { live } = explain(
        ...to,
        '--protocol',
        protocol,
        '--source',
        source,
        '--cluster-cidr',
        CLUSTER,
      );
      const what = JSON.stringify(live, undefined, 1);
      expect(
        live.elements.filter(({ state }) => state !== 'same'),
        what,
      ).toEqual([]);
      expect(
        live.trace?.steps.map(({ verdict }) => verdict),
        what,
      ).toContain(`goto ${chain}`);
      expect(live.trace?.outcome, what).toMatch(seen);
    }
    expect(all()).toEqual(before);
    // Links that come up say so to all nodes, which is tracked, too.
    const flows = flowList(conntrack).map(({ original }) => original.destinationPort);
    expect(flows.filter((port) => port === 80 || port === 30_080)).toEqual([]);
  });

  it('lets it come in by what pods are told by, and says where it ends', () => {
    const seen = (...args: string[]) =>
      explain('10.96.0.20', '80', '--source', '10.244.0.10', '--from', 'pod', ...args).live.trace;
    const byBridge = seen(
      '--detect-local-mode',
      'BridgeInterface',
      '--pod-bridge-interface',
      'cni0',
    );
    expect(byBridge?.outcome).toMatch(/^would leave as/);
    fixture.exec(
      'nft',
      'add table ip theirs; add chain ip theirs in { type filter hook prerouting priority -50; }',
    );
    fixture.exec('nft', 'add', 'rule', 'ip', 'theirs', 'in', 'iifname', 'cni0', 'drop');
    const dropped = seen('--cluster-cidr', CLUSTER);
    expect(dropped?.outcome).toBe('dropped');
    expect(dropped?.steps.at(-1)).toMatchObject({
      table: 'ip theirs',
      chain: 'in',
      verdict: 'drop',
    });
  });
});
