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
 * and leave the same links, addresses, routes of all tables, sysctls and files; and what one side's
 * ADD made the other's CHECK finds right and the other's DEL takes away. Names of veths and MAC
 * addresses are random on both sides. VLANs are in test/vm, rules of nftables in masquerade.test.ts.
 */

needPeer('cni-plugins');

interface Call {
  readonly verb: string;
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives CHECK and DEL the result of the last ADD, as a runtime does. */
  readonly withPrevious?: boolean;
  /** The other side is called. */
  readonly other?: boolean;
}

/** A call, or a command that somebody gives on the node. */
type Step = Call | readonly [string, ...string[]];

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

  do(step: Step): Json {
    if ('verb' in step) return this.#call(step);
    const [file, ...args] = step;
    return { stdout: this.#netns.run(() => execFileSync(file, args, { encoding: 'utf8' })) };
  }

  #call({ verb, config, env, withPrevious = false, other = false }: Call): Json {
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
        bin: SIDES[other === (this.#side === 'podwire') ? 'reference' : 'podwire'],
        config: base,
        env: { CNI_CONTAINERID: 'a', CNI_NETNS: this.#path('pod'), ...env },
      },
      this.#netns,
    );
    if (verb === 'ADD') this.#previous = json;
    // Codes and details of errors are more telling on our side.
    return status === 0 ? { status, json } : { status, msg: json.msg };
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
    using netns = Netns.open(this.#path(name));
    return netns.run(() => {
      const ip = (...args: string[]): Json[] =>
        JSON.parse(execFileSync('ip', ['-j', ...args], { encoding: 'utf8' })) as Json[];
      const links = ip('-d', 'addr');
      return {
        links: links.map(linkOf),
        routes: ip('-4', 'route', 'show', 'table', 'all').map(routeOf),
        // The kernel's own, those of an address too, wait for detection of duplicates.
        routes6: ip('-6', 'route', 'show', 'table', 'all')
          .map(routeOf)
          .filter(({ dst, table }) => table !== 'local' && !/^fe80::/.test(String(dst))),
        sysctls: ['all', ...links.map(({ ifname }) => String(ifname))].flatMap(sysctlsOf),
      };
    });
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

const routeOf = ({ metrics = [], ...route }: Json): Json => ({
  ...pick(
    route,
    'type',
    'dst',
    'gateway',
    'dev',
    'scope',
    'prefsrc',
    'metric',
    'table',
    'protocol',
  ),
  ...(metrics as Json[])[0],
});

function sysctlsOf(name: string): string[] {
  return ['ipv4', 'ipv6'].flatMap((family) => {
    const folder = `/proc/sys/net/${family}/conf/${name}`;
    return readdirSync(folder)
      .map((key) => `${family}/${name}/${key}`)
      .filter((path) => !OWN_SYSCTLS.test(path))
      .map(
        (path) =>
          `${path} = ${readFileSync(join(folder, path.slice(path.lastIndexOf('/'))), 'utf8').trim()}`,
      );
  });
}

/**
 * The bridge is ours to differ on: without detection of its link-local address, IPv6 between pods and
 * Services does not stall for the first two seconds. So is telling IPv6 neighbours of a pod that comes
 * up, as IPv4 ones are told. A secret can't be read before there is one.
 */
const OWN_SYSCTLS = /^ipv6\/(br0\/accept_dad|eth\d\/ndisc_notify|.*\/stable_secret)$/;

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
  return normalized(steps.map((step) => ({ answer: node.do(step), state: node.state() })));
}

const add = (config: object = {}, env: Call['env'] = {}): Call => ({ verb: 'ADD', config, env });
const dual = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
};
const subnet = (text: string): object => ({ type: 'host-local', subnet: text });
const command = (line: string): Step => line.split(' ') as [string, ...string[]];
const cycle = (config: object, isChecked = true): readonly Step[] => [
  add(config),
  ...(isChecked ? [{ verb: 'CHECK', config, withPrevious: true }] : []),
  { verb: 'DEL', config, withPrevious: true },
  { verb: 'DEL', config },
];

/**
 * What ADD, CHECK and DEL are called with, by what is particular; false where the reference's CHECK
 * fails although nothing is wrong: without IPAM, and for routes of other tables or over several ways.
 */
const options: readonly (readonly [string, object, boolean?])[] = [
  ['no gateway', {}],
  ['isGateway', { isGateway: true }],
  ['isDefaultGateway', { isDefaultGateway: true }],
  ['IPv4 and IPv6', { isDefaultGateway: true, ipam: dual }],
  [
    'IPv6 only',
    {
      isDefaultGateway: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '2001:db8::/64' }]] },
    },
  ],
  [
    'three ranges',
    {
      ipam: {
        type: 'host-local',
        ranges: [
          [{ subnet: '192.168.0.0/24' }],
          [{ subnet: 'fd00::/64' }],
          [{ subnet: '192.168.7.0/24' }],
        ],
      },
    },
  ],
  [
    'routes',
    {
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
    },
  ],
  [
    'a default route of its own beside isDefaultGateway',
    {
      isDefaultGateway: true,
      ipam: { ...dual, routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.9' }] },
    },
  ],
  [
    'routes with priority, table and scope',
    {
      isGateway: true,
      ipam: {
        ...dual,
        routes: [
          { dst: '172.16.0.0/16', priority: 7, table: 77 },
          { dst: '172.17.0.0/16', gw: '10.1.2.9', scope: 0, table: 77 },
          { dst: 'fd00:7::/64', priority: 9, table: 78 },
        ],
      },
    },
    false,
  ],
  ['routes without any gateway', { ipam: { ...dual, routes: [{ dst: '172.16.0.0/16' }] } }],
  [
    'several ways to one destination',
    {
      ipam: {
        ...dual,
        routes: [
          { dst: '172.16.0.0/16', gw: '10.1.2.8' },
          { dst: '172.16.0.0/16', gw: '10.1.2.9' },
          { dst: 'fd00:7::/64', gw: 'fd00:1::8' },
          { dst: 'fd00:7::/64', gw: 'fd00:1::9' },
        ],
      },
    },
    false,
  ],
  [
    'a gateway of IPAM',
    { isGateway: true, ipam: { ...subnet('10.1.2.0/24'), gateway: '10.1.2.9' } },
  ],
  ['mtu and hairpinMode', { mtu: 1300, hairpinMode: true }],
  ['promiscMode', { promiscMode: true }],
  ['portIsolation', { portIsolation: true, isGateway: true, mtu: 9000 }],
  ['no addresses', { ipam: {} }, false],
  [
    'no addresses, but options',
    { ipam: {}, isGateway: true, hairpinMode: true, portIsolation: true },
    false,
  ],
  ['disableContainerInterface', { ipam: {}, disableContainerInterface: true }, false],
  ['mac', { mac: '0a:00:00:00:00:07' }],
  ['enabledad', { enabledad: true, isGateway: true, ipam: dual }],
  ['dns of its own', { dns: { nameservers: ['192.0.2.1'], search: ['a.example'] } }],
  [
    'dns that takes away what IPAM says',
    { dns: { search: [] }, ipam: { ...dual, resolvConf: '/etc/resolv.conf' } },
  ],
];

const scenarios: readonly (readonly [string, readonly Step[]])[] = [
  ...options.map(([title, config, isChecked]) => [title, cycle(config, isChecked)] as const),
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
        { isGateway: true, forceAddress: true, ipam: subnet('10.9.0.0/16') },
        { CNI_IFNAME: 'eth1' },
      ),
    ],
  ],
  [
    'forceAddress of IPv6 that overlaps',
    [
      add({ isGateway: true, ipam: subnet('2001:db8:1::/48') }),
      add(
        { isGateway: true, forceAddress: true, ipam: subnet('2001:db8:1:2::/64') },
        { CNI_IFNAME: 'eth1' },
      ),
    ],
  ],
  [
    'gateways of IPv6 that do not overlap',
    [
      add({ isGateway: true, ipam: subnet('2001:db8:1:2::/64') }),
      add({ isGateway: true, ipam: subnet('fd00:1234::/64') }, { CNI_IFNAME: 'eth1' }),
    ],
  ],
  [
    'a bridge that others made',
    [
      command('ip link add br0 mtu 1400 type bridge'),
      command('ip addr add 10.1.2.1/24 dev br0'),
      command('ip addr add 192.0.2.1/24 dev br0'),
      ...cycle({ isGateway: true }),
    ],
  ],
  ['STATUS', [{ verb: 'STATUS' }]],
];

/** What both refuse in the same words, and what that leaves is ours alone to be proud of. */
const refusals: readonly (readonly [string, readonly Step[]])[] = [
  ['a link of another kind', [command('ip link add br0 type veth peer name x'), add()]],
  [
    'another gateway',
    [
      add({ isGateway: true }),
      add({ isGateway: true, ipam: subnet('10.9.0.0/16') }, { CNI_IFNAME: 'eth1' }),
    ],
  ],
  [
    'another gateway of IPv6 that overlaps',
    [
      add({ isGateway: true, ipam: subnet('2001:db8:1::/48') }),
      add({ isGateway: true, ipam: subnet('2001:db8:1:2::/64') }, { CNI_IFNAME: 'eth1' }),
    ],
  ],
  [
    'two gateways of IPv4',
    [
      add({
        isGateway: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '192.168.0.0/24' }], [{ subnet: '192.168.7.0/24' }]],
        },
      }),
    ],
  ],
  ['an interface that is there', [add({ ipam: {} }), add({ ipam: {} })]],
  ['hairpinMode and promiscMode', [add({ hairpinMode: true, promiscMode: true })]],
  ['IPAM and disableContainerInterface', [add({ disableContainerInterface: true })]],
  ['a VLAN too high', [add({ vlan: 5000 })]],
  ['a VLAN too low', [add({ vlan: -100 })]],
  ...[
    { minID: 5 },
    { maxID: 5 },
    { minID: 0, maxID: 5 },
    { minID: 5, maxID: 4095 },
    { minID: 9, maxID: 5 },
    { id: 0 },
  ].map((item) => [`a trunk of ${JSON.stringify(item)}`, [add({ vlanTrunk: [item] })]] as const),
  ['no addresses in version 0.2.0', [add({ cniVersion: '0.2.0', ipam: {} })]],
  ['CHECK without prevResult', [add(), { verb: 'CHECK' }]],
];

describe('bridge beside the reference', () => {
  it.each(scenarios)('%s', (_, steps) => {
    expect(play('podwire', steps)).toEqual(play('reference', steps));
  });

  it.each(refusals)('refuses %s', (_, steps) => {
    const last = (side: Side): unknown => {
      using node = new Node(side);
      return normalized(steps.map((step) => node.do(step)).at(-1));
    };
    expect(last('podwire')).toEqual(last('reference'));
    expect(last('podwire')).toMatchObject({ status: 1 });
  });

  it.each(options.map(([title, config, isChecked = true]) => ({ title, config, isChecked })))(
    '$title: CHECK and DEL take what the other side made',
    ({ config, isChecked }) => {
      const crossed = (side: Side): unknown => {
        using node = new Node(side);
        const call = (verb: string, other: boolean): unknown =>
          node.do({ verb, config, withPrevious: verb !== 'ADD', other }).status;
        const answers = [
          call('ADD', false),
          ...(isChecked || side === 'reference' ? [call('CHECK', true)] : []),
          ...(isChecked || side === 'podwire' ? [call('CHECK', false)] : []),
          call('DEL', true),
        ];
        return { failed: answers.filter((status) => status !== 0), left: node.state() };
      };
      const ours = crossed('podwire');
      expect(ours).toEqual(crossed('reference'));
      expect(ours).toMatchObject({
        failed: [],
        left: { node: { links: [{ ifname: 'lo' }, { ifname: 'br0' }] }, pod: { links: [{}] } },
      });
    },
  );

  it.each([
    ['CNI_ARGS', {}, '06:00:00:00:00:01'],
    ['args.cni', { args: { cni: { mac: '06:00:00:00:00:02' } } }, '06:00:00:00:00:02'],
    [
      'runtimeConfig',
      {
        args: { cni: { mac: '06:00:00:00:00:02' } },
        runtimeConfig: { mac: '06:00:00:00:00:03' },
      },
      '06:00:00:00:00:03',
    ],
  ])('takes the MAC address of %s', (_, config, mac) => {
    for (const side of ['podwire', 'reference'] as const) {
      using node = new Node(side);
      const { json } = node.do(add(config, { CNI_ARGS: 'IgnoreUnknown=1;MAC=06:00:00:00:00:01' }));
      expect(json).toMatchObject({ interfaces: [{}, {}, { mac }] });
    }
  });

  it('honours mtu and advmss of a route, which the reference leaves out', () => {
    const routes = [{ dst: '172.16.0.0/16', mtu: 1200, advmss: 1100 }];
    const metrics = (side: Side): unknown => {
      using node = new Node(side);
      const { json } = node.do(add({ isGateway: true, ipam: { ...dual, routes } }));
      const { pod } = node.state() as { pod: { routes: Json[] } };
      const route = pod.routes.find(({ dst }) => dst === '172.16.0.0/16');
      return { told: (json as Json).routes, set: pick(route ?? {}, 'mtu', 'advmss') };
    };
    const told = [{ dst: '172.16.0.0/16', mtu: 1200, advmss: 1100 }];
    expect(metrics('podwire')).toEqual({ told, set: { mtu: 1200, advmss: 1100 } });
    expect(metrics('reference')).toEqual({ told, set: {} });
  });

  it('leaves nothing of the pod on a DEL without a namespace, where the reference leaves the veth', () => {
    const left = (side: Side): unknown => {
      using node = new Node(side);
      node.do(add());
      const { status } = node.do({ verb: 'DEL', env: { CNI_NETNS: '' } });
      const { node: host } = node.state() as { node: { links: Json[] } };
      return { status, links: host.links.map(({ kind }) => kind) };
    };
    expect(left('podwire')).toEqual({ status: 0, links: [null, 'bridge'] });
    expect(left('reference')).toEqual({ status: 0, links: [null, 'bridge', 'veth'] });
  });
});
