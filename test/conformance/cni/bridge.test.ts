import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { callPlugin } from '../../integration/cni/plugin-fixture.ts';
import { needPeer, SIDES, type Side } from './sides.ts';

/*
 * bridge beside the reference: the same calls, each side in fresh namespaces, give the same answers
 * and leave the same links, addresses, routes, sysctls and files. Names of veths and MAC addresses
 * are random on both sides.
 */

needPeer('cni-plugins');

interface Step {
  readonly verb: string;
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives CHECK and DEL the result of the last ADD, as a runtime does. */
  readonly withPrevious?: boolean;
}

type Json = Record<string, unknown>;

/** The namespaces and the data directory of one side. */
class Node {
  readonly #side: Side;
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'podwire-peer-'));
  readonly #netns: Netns;
  #previous: Json = {};

  constructor(side: Side) {
    this.#side = side;
    createNamedNetns(this.#path('node'));
    createNamedNetns(this.#path('pod'));
    this.#netns = Netns.open(this.#path('node'));
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    deleteNamedNetns(this.#path('node'));
    deleteNamedNetns(this.#path('pod'));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #path(name: string): string {
    return `/run/netns/podwire-peer-${name}-${process.pid}`;
  }

  call({ verb, config, env, withPrevious = false }: Step): Json {
    const base: Json = {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      bridge: 'br0',
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.2.0/24' }]] },
      ...config,
      ...(withPrevious ? { prevResult: this.#previous } : {}),
    };
    const { ipam } = base as { ipam: Json };
    // An empty `ipam` asks for an interface without addresses.
    if (Object.keys(ipam).length > 0) base.ipam = { dataDir: this.#dataDir, ...ipam };
    const { status, json } = callPlugin(
      {
        type: 'bridge',
        verb,
        bin: SIDES[this.#side],
        config: base,
        env: { CNI_CONTAINERID: 'a', CNI_NETNS: this.#path('pod'), ...env },
      },
      this.#netns,
    );
    if (verb === 'ADD') this.#previous = json;
    return { status, json };
  }

  /** Everything the calls left behind. */
  state(): Json {
    const files = join(this.#dataDir, 'net');
    return {
      node: this.#kernel('node'),
      pod: this.#kernel('pod'),
      files: existsSync(files)
        ? // The reference makes the lock for a DEL of nothing, too.
          readdirSync(files)
            .filter((name) => name !== 'lock')
            .map((name) => [name, readFileSync(join(files, name), 'utf8')])
        : [],
    };
  }

  #kernel(name: 'node' | 'pod'): Json {
    const exec = (file: string, ...args: string[]): string =>
      execFileSync('ip', ['netns', 'exec', `podwire-peer-${name}-${process.pid}`, file, ...args], {
        encoding: 'utf8',
      });
    const ip = (...args: string[]): Json[] => JSON.parse(exec('ip', '-j', ...args)) as Json[];
    const links = ip('-d', 'addr').map(linkOf);
    return {
      links,
      routes: ip('route').map(routeOf),
      // The kernel's own multicast and link-local routes follow the links.
      routes6: ip('-6', 'route')
        .map(routeOf)
        .filter((route) => route.dst !== 'fe80::/64'),
      sysctls: ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', ...links.flatMap(sysctlsOf)].map(
        (path) => `${path} = ${exec('cat', `/proc/sys/net/${path}`).trim()}`,
      ),
    };
  }
}

const pick = (value: Json, ...names: string[]): Json =>
  Object.fromEntries(names.filter((name) => name in value).map((name) => [name, value[name]]));

function linkOf(link: Json): Json {
  const info = (link.linkinfo ?? {}) as Json;
  const port = (info.info_slave_data ?? {}) as Json;
  return {
    ...pick(link, 'ifname', 'mtu', 'master', 'promiscuity'),
    // Carrier follows within a second of a port's coming or going, on both sides.
    flags: (link.flags as string[])
      .filter((flag) => !/CARRIER|LOWER_UP|M-DOWN/.test(flag))
      .toSorted(),
    kind: info.info_kind ?? null,
    port: pick(port, 'hairpin', 'isolated'),
    addresses: (link.addr_info as Json[])
      .map((addr) => pick(addr, 'family', 'local', 'prefixlen', 'broadcast', 'scope'))
      .filter((addr) => addr.family !== 'inet6' || addr.scope !== 'link'),
  };
}

const routeOf = (route: Json): Json =>
  pick(route, 'dst', 'gateway', 'dev', 'scope', 'prefsrc', 'metric', 'mtu', 'table');

function sysctlsOf({ ifname }: Json): string[] {
  if (ifname === 'lo') return [];
  return [
    `ipv6/conf/${String(ifname)}/accept_ra`,
    // The bridge is ours to differ on: without detection of its link-local address, IPv6 between
    // pods and Services does not stall for the first two seconds.
    ...(ifname === 'br0' ? [] : [`ipv6/conf/${String(ifname)}/accept_dad`]),
    `ipv6/conf/${String(ifname)}/disable_ipv6`,
    `ipv4/conf/${String(ifname)}/arp_notify`,
  ];
}

/** Numbers the veths in the order of appearance; a MAC address only has to be one. */
function normalized(value: unknown): unknown {
  const veths = new Map<string, string>();
  const text = JSON.stringify(value)
    .replaceAll(/"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"/g, '"mac"')
    .replaceAll(/veth[0-9a-f]{8}/g, (found) => {
      const name = veths.get(found) ?? `veth-${veths.size}`;
      veths.set(found, name);
      return name;
    });
  return JSON.parse(text);
}

function play(side: Side, steps: readonly Step[]): unknown {
  using node = new Node(side);
  return normalized(steps.map((step) => ({ answer: node.call(step), state: node.state() })));
}

const add = (config: object = {}, env: Step['env'] = {}): Step => ({ verb: 'ADD', config, env });
const dual = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
};
const cycle = (config: object): readonly Step[] => [
  add(config),
  { verb: 'CHECK', config, withPrevious: true },
  { verb: 'DEL', config, withPrevious: true },
  { verb: 'DEL', config },
];

const scenarios: readonly (readonly [string, readonly Step[]])[] = [
  ['no gateway', cycle({})],
  ['isGateway', cycle({ isGateway: true })],
  ['isDefaultGateway', cycle({ isDefaultGateway: true })],
  ['IPv4 and IPv6', cycle({ isDefaultGateway: true, ipam: dual })],
  [
    'IPv6 only',
    cycle({
      isDefaultGateway: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '2001:db8::/64' }]] },
    }),
  ],
  [
    'three ranges',
    cycle({
      ipam: {
        type: 'host-local',
        ranges: [
          [{ subnet: '192.168.0.0/24' }],
          [{ subnet: 'fd00::/64' }],
          [{ subnet: '192.168.7.0/24' }],
        ],
      },
    }),
  ],
  [
    'routes',
    cycle({
      isGateway: true,
      ipam: {
        ...dual,
        routes: [
          { dst: '0.0.0.0/0' },
          { dst: '192.168.9.0/24', gw: '10.1.2.77' },
          { dst: '172.16.0.0/16', priority: 7 },
          { dst: '::/0' },
        ],
      },
    }),
  ],
  [
    'a default route of its own beside isDefaultGateway',
    cycle({
      isDefaultGateway: true,
      ipam: { ...dual, routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.9' }] },
    }),
  ],
  ['no addresses', [add({ ipam: {} }), { verb: 'DEL', config: { ipam: {} } }]],
  ['mtu and hairpinMode', cycle({ mtu: 1300, hairpinMode: true })],
  ['promiscMode', cycle({ promiscMode: true })],
  ['portIsolation', cycle({ portIsolation: true })],
  ['mac', cycle({ mac: '0a:00:00:00:00:07' })],
  ['enabledad', cycle({ enabledad: true, isGateway: true, ipam: dual })],
  ['dns of its own', cycle({ dns: { nameservers: ['192.0.2.1'], search: ['a.example'] } })],
  ...SPEC_VERSIONS.map(
    (cniVersion) =>
      [
        `version ${cniVersion}`,
        [
          add({ cniVersion, isDefaultGateway: true, ipam: dual }),
          { verb: 'DEL', config: { cniVersion, isDefaultGateway: true, ipam: dual } },
        ],
      ] as const,
  ),
  [
    'two interfaces of a pod',
    [add({ isGateway: true }), add({ isGateway: true }, { CNI_IFNAME: 'eth1' })],
  ],
  ['DEL where nothing was added', [{ verb: 'DEL' }]],
  [
    'forceAddress',
    [
      add({ isGateway: true }),
      add(
        {
          isGateway: true,
          forceAddress: true,
          ipam: { type: 'host-local', subnet: '10.9.0.0/16' },
        },
        { CNI_IFNAME: 'eth1' },
      ),
    ],
  ],
  ['STATUS', [{ verb: 'STATUS' }]],
];

describe('bridge beside the reference', () => {
  it.each(scenarios)('%s', (_, steps) => {
    expect(play('podwire', steps)).toEqual(play('reference', steps));
  });

  it('leaves nothing of the pod on a DEL without a namespace, where the reference leaves the veth', () => {
    const left = (side: Side): unknown => {
      using node = new Node(side);
      node.call(add());
      const { status } = node.call({ verb: 'DEL', env: { CNI_NETNS: '' } });
      const { node: host } = node.state() as { node: { links: Json[] } };
      return { status, links: host.links.map(({ kind }) => kind) };
    };
    expect(left('podwire')).toEqual({ status: 0, links: [null, 'bridge'] });
    expect(left('reference')).toEqual({ status: 0, links: [null, 'bridge', 'veth'] });
  });
});
