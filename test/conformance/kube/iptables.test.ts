import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeObject } from '../../../src/cluster/decode.ts';
import { Store } from '../../../src/cluster/store.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { parseChains } from '../../../src/iptables/chains.ts';
import { IptablesBackend } from '../../../src/proxy/iptables/backend.ts';
import { OWNER_MARK } from '../../../src/proxy/iptables/names.ts';
import { FROM_NODE_JUMP } from '../../../src/proxy/iptables/node-rules.ts';
import { DEFAULT_SETTINGS } from '../../../src/proxy/model/settings.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { DEFAULT_NODE_RULES } from '../../../src/proxy/node.ts';
import { nodeRulesIn, type ProxyOptions, settingsIn } from '../../../src/proxy/options.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { peerProgram } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { ControlPlane, TOKENS } from './control-plane.ts';

/*
 * The real kube-proxy in mode iptables and ours, on the same random cluster out of a real API server, each
 * in a namespace of its own: iptables-save(8) prints the same of both, but for what `normal` takes out.
 * What random clusters leave out: source ranges that others cover, of which ours has one rule, and ranges
 * of the other family alone, which admit everybody in kube-proxy and nobody in ours.
 */

const NODE = 'n1';
const SERVICES = 12;
const PODS = { 4: '10.180.0.0/24', 6: 'fd00:180::/64' } as const;
const FAMILIES = [4, 6] as const;
const SHARED = ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL'];
const [ours, theirs] = ['ours', 'theirs'].map((name) => `podwire-kpx-${name}-${process.pid}`);
if (ours === undefined || theirs === undefined) throw new Error('no names');

type Json = Readonly<Record<string, unknown>>;

const few = (count: number) => fc.nat(count - 1);
const endpoint = fc.record({
  at: few(6),
  ready: fc.constantFrom(true, true, true, false),
  terminating: fc.boolean(),
  nodeName: fc.constantFrom(NODE, 'n2'),
  zone: fc.constantFrom('a', 'b'),
});
const port = fc.record({
  protocol: fc.constantFrom('TCP', 'UDP', 'TCP'),
  endpoints: fc.array(endpoint, { maxLength: 5 }),
});
const service = fc.record({
  kind: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'LoadBalancer'),
  families: fc.constantFrom(FAMILIES, FAMILIES, [4] as const, [6] as const),
  ports: fc.array(port, { minLength: 1, maxLength: 2 }),
  external: fc.boolean(),
  internalLocal: fc.constantFrom(false, false, true),
  externalLocal: fc.boolean(),
  sticky: fc.constantFrom(0, 0, 60),
  ranges: fc.constantFrom([], [], ['10.0.0.0/8', '192.0.2.0/24', 'fd00::/8', '2001:db8::/32']),
  hinted: fc.boolean(),
});
type RandomService = typeof service extends fc.Arbitrary<infer T> ? T : never;

/** The objects of a Service; each has addresses and ports of its own, for the API server wants that. */
function objectsOf(
  each: RandomService,
  index: number,
): { readonly service: Json; readonly slices: Json[] } {
  const name = `web-${index}`;
  const isOuter = each.kind !== 'ClusterIP';
  const isLocal = isOuter && each.externalLocal;
  const metadata = { name, namespace: 'default' };
  const addr = (v4: string, v6: string) =>
    each.families.map((f) =>
      f === 4 ? `${v4}.${index + 1}` : `${v6}::${(index + 1).toString(16)}`,
    );
  const clusterIPs = addr('10.96.1', 'fd00:96');
  const service: Json = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type: each.kind,
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilyPolicy: each.families.length === 2 ? 'RequireDualStack' : 'SingleStack',
      ipFamilies: each.families.map((family) => `IPv${family}`),
      ports: each.ports.map(({ protocol }, at) => ({
        name: `p${at}`,
        protocol,
        port: 80 + at,
        targetPort: 8080 + at,
        ...(isOuter ? { nodePort: 30_000 + index * 4 + at } : {}),
      })),
      ...(each.external ? { externalIPs: addr('198.51.100', '2001:db8:198') } : {}),
      internalTrafficPolicy: each.internalLocal ? 'Local' : 'Cluster',
      ...(isOuter ? { externalTrafficPolicy: isLocal ? 'Local' : 'Cluster' } : {}),
      ...(isLocal && each.kind === 'LoadBalancer' ? { healthCheckNodePort: 32_000 + index } : {}),
      ...(each.kind === 'LoadBalancer' && each.ranges.length > 0
        ? { loadBalancerSourceRanges: each.ranges }
        : {}),
      sessionAffinity: each.sticky > 0 ? 'ClientIP' : 'None',
      ...(each.sticky > 0
        ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: each.sticky } } }
        : {}),
    },
    status: {
      loadBalancer:
        each.kind === 'LoadBalancer'
          ? { ingress: addr('203.0.113', '3fff:203').map((ip) => ({ ip, ipMode: 'VIP' })) }
          : {},
    },
  };
  const slices = each.families.flatMap((family) =>
    each.ports.map(({ protocol, endpoints }, at) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        ...metadata,
        name: `${name}-${family}-${at}`,
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: `IPv${family}`,
      ports: [{ name: `p${at}`, protocol, port: 8080 + at }],
      endpoints: [...new Map(endpoints.map((one) => [one.at, one])).values()].map((one) => ({
        addresses: [
          family === 4
            ? `10.180.${one.nodeName === NODE ? 0 : 1}.${one.at + 1}`
            : `fd00:180:${one.nodeName === NODE ? '' : '0:1:'}:${one.at + 1}`,
        ],
        conditions: {
          ready: one.ready,
          serving: one.ready || one.terminating,
          terminating: !one.ready && one.terminating,
        },
        nodeName: one.nodeName,
        zone: one.zone,
        ...(each.hinted ? { hints: { forZones: [{ name: one.zone }] } } : {}),
      })),
    })),
  );
  return { service, slices };
}

const OPTIONS: ProxyOptions = {
  settings: {
    ...DEFAULT_SETTINGS,
    nodeName: NODE,
    detector: { kind: 'prefixes', prefixes: FAMILIES.map((family) => parsePrefix(PODS[family])) },
  },
  node: { ...DEFAULT_NODE_RULES, localhostNodePorts: true },
  nodePorts: 'all',
  localAddrs: () => [],
  detectsByNode: false,
  syncPeriodMs: 30_000,
};

/** What iptables-save(8) prints of a namespace, by table and chain. */
function rulesIn(name: string, family: 4 | 6): string[] {
  const args = ['netns', 'exec', name, family === 4 ? 'iptables-save' : 'ip6tables-save'];
  const output = execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 1 << 26 });
  const lines: string[] = [];
  for (const [table, chains] of parseChains(output)) {
    if (!['nat', 'filter', 'mangle'].includes(table)) continue;
    for (const [chain, rules] of chains) {
      const kept = rules.map((rule) => normal(chain, rule)).filter((rule) => rule !== undefined);
      // Of these the order means nothing, and differs from one start of kube-proxy to the next.
      if (SHARED.includes(chain) || chain.startsWith('KUBE-FW-')) kept.sort();
      lines.push(`${table} ${chain}`, ...kept.map((rule) => `${table} ${chain} ${rule}`));
    }
  }
  return lines;
}

/** A rule without what differs on purpose; undefined where that is all of it. */
function normal(chain: string, rule: string): string | undefined {
  // Ours: what the node itself sends to an external address without endpoints is refused, too.
  if (chain === 'KUBE-SERVICES' && rule === FROM_NODE_JUMP) return undefined;
  // By which podwire knows its own.
  if (chain === 'KUBE-PROXY-CANARY' && rule === OWNER_MARK) return undefined;
  // kube-proxy counts what goes to node ports on loopback, in a rule of its own before each.
  if (chain === 'KUBE-NODEPORTS' && rule.includes('--nfacct-name')) return undefined;
  return (
    rule
      // It counts invalid packets as well.
      .replace(/-m nfacct --nfacct-name +\S+ /, '')
      // Ours: over IPv6 a reset, for the ICMP error is passed over by a client that still sends.
      .replace('--reject-with tcp-reset', '--reject-with icmp6-port-unreachable')
  );
}

needPeer('kubernetes');
describe('kube-proxy in mode iptables, and ours', { timeout: 120_000 }, () => {
  let plane: ControlPlane;
  let proxy: ChildProcess;
  const store = new Store();
  let table: RouteTable;
  let netns: Netns;
  let backend: IptablesBackend;
  const known = new Set<string>();
  let log = '';

  beforeAll(async () => {
    for (const name of [ours, theirs]) {
      createNamedNetns(`/run/netns/${name}`);
      execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    }
    // The API server looks for an address of its own by the default route.
    const ip = (words: string) => execFileSync('ip', ['-n', theirs, ...words.split(' ')]);
    ip('link add eth0 type veth peer name eth1');
    ip('addr add 192.0.2.7/24 dev eth0');
    ip('link set eth0 up');
    ip('link set eth1 up');
    ip('route add default dev eth0');
    netns = Netns.open(`/run/netns/${ours}`);
    backend = IptablesBackend.open(netns, { flavour: 'nft' });
    plane = await ControlPlane.start({
      etcd: 'debian',
      prefix: ['ip', 'netns', 'exec', theirs],
      serverFlags: ['--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112'],
    });
    plane.kubectl(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: NODE, labels: { 'topology.kubernetes.io/zone': 'a' } },
        status: {
          addresses: [
            { type: 'InternalIP', address: '192.0.2.7' },
            { type: 'InternalIP', address: '2001:db8:7::7' },
          ],
        },
      }),
      'create',
      '-f',
      '-',
    );
    table = new RouteTable(settingsIn(store, OPTIONS));
    store.subscribe((state, touched, { nodes }) => {
      if (nodes.length > 0) table.reset(settingsIn(state, OPTIONS), state);
      else table.update(state, touched);
    });
    const config = join(plane.directory, 'kube-proxy.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        mode: 'iptables',
        clientConnection: { kubeconfig: plane.kubeconfig('proxy', { token: TOKENS.admin }) },
        clusterCIDR: `${PODS[4]},${PODS[6]}`,
        hostnameOverride: NODE,
        conntrack: {
          maxPerCore: 0,
          min: 0,
          tcpEstablishedTimeout: '0s',
          tcpCloseWaitTimeout: '0s',
        },
      }),
    );
    const program = peerProgram('kubernetes', 'kube-proxy');
    proxy = spawn('ip', ['netns', 'exec', theirs, program, '--config', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    proxy.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-20_000);
    });
  });
  afterAll(async () => {
    if (proxy.exitCode === null && proxy.signalCode === null) {
      proxy.kill('SIGKILL');
      await once(proxy, 'exit');
    }
    await plane[Symbol.asyncDispose]();
    backend[Symbol.dispose]();
    netns.close();
    for (const name of [ours, theirs]) deleteNamedNetns(`/run/netns/${name}`);
  });

  /** Puts these into the API server, and nothing of what was there before beside them. */
  async function put(services: ReadonlyMap<number, RandomService>): Promise<void> {
    const objects = [...services].map(([index, each]) => objectsOf(each, index));
    const list = (items: readonly Json[]) =>
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const apply = ['apply', '--server-side', '--force-conflicts', '-f', '-'];
    const gone = [...known].filter(
      (name) => !objects.some(({ service: one }) => nameOf(one) === name),
    );
    for (const name of gone) {
      plane.kubectl('', 'delete', 'service', name, '--wait=false');
      plane.kubectl('', 'delete', 'endpointslice', '-l', `kubernetes.io/service-name=${name}`);
      known.delete(name);
    }
    plane.kubectl(list(objects.flatMap(({ service: one, slices }) => [one, ...slices])), ...apply);
    for (const { service: one } of objects) known.add(nameOf(one));
    const status = ['--subresource=status', '--field-manager=status'];
    plane.kubectl(list(objects.map(({ service: one }) => one)), ...apply, ...status);
    const [nodes, found] = ['nodes', 'services,endpointslices'].map(
      (what) => JSON.parse(plane.kubectl('', 'get', what, '-A', '-o', 'json')) as { items: Json[] },
    );
    const decoded = [...(nodes?.items ?? []), ...(found?.items ?? [])].map((item) =>
      decodeObject(item),
    );
    store.replace(decoded.filter((each) => each !== undefined));
    await backend.sync({
      node: nodeRulesIn(store, OPTIONS),
      routes: () => table.routes(),
      changes: table.takeChanges().routes,
    });
  }

  it('make the same rules of random clusters, one after the other', async () => {
    const seed = Number(process.env.SEED ?? Date.now() & 0xffff);
    process.stdout.write(`random clusters of seed ${seed}\n`);
    const random = fc.sample(service, { seed, numRuns: SERVICES * 2 });
    const cluster = new Map(random.slice(0, SERVICES).map((each, index) => [index, each]));
    for (let step = 0; step < 4; step += 1) {
      if (step > 0) {
        // Some go, some change, and some are new.
        cluster.delete(step);
        for (const at of [step * 2, step * 3 + 1, SERVICES + step]) {
          const each = random[SERVICES + ((at * 5 + step) % SERVICES)];
          // The families of a Service stay as they are.
          if (each !== undefined) cluster.set(at, { ...each, ...keptOf(cluster.get(at)) });
        }
      }
      await put(cluster);
      await vi.waitFor(
        () => {
          for (const family of FAMILIES) {
            expect(rulesIn(theirs, family), `IPv${family}, seed ${seed}, step ${step}`).toEqual(
              rulesIn(ours, family),
            );
          }
        },
        { timeout: 20_000, interval: 200 },
      );
    }
    expect(rulesIn(ours, 4).length, log).toBeGreaterThan(100);
  });

  it('are taken over by ours as they are when kube-proxy has ended', async () => {
    proxy.kill('SIGKILL');
    await once(proxy, 'exit');
    using left = Netns.open(`/run/netns/${theirs}`);
    using taker = IptablesBackend.open(left);
    const desired = { node: nodeRulesIn(store, OPTIONS), routes: () => table.routes() };
    const { changes, rules = [] } = await taker.sync({ ...desired, changes: new Map() });
    // What it counts by, and the two rules that are ours; no chain of a Service is written anew.
    expect(changes).toBeLessThan(100);
    expect(
      rules.find(({ family, table: of }) => family === 4 && of === 'nat')?.written,
    ).toBeLessThan(30);
    for (const family of FAMILIES) expect(rulesIn(theirs, family)).toEqual(rulesIn(ours, family));
    expect(await taker.sync({ ...desired, changes: new Map() })).toMatchObject({ changes: 0 });
  });
});

function keptOf(before: RandomService | undefined): Partial<RandomService> {
  return before === undefined ? {} : { families: before.families };
}

function nameOf({ metadata }: Json): string {
  return String((metadata as Json).name);
}
