import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import {
  add,
  type Compared,
  ComparedNode,
  cycle,
  type Json,
  normalized,
  play,
  type Step,
} from './compared-node.ts';
import { needPeer, type Side } from './sides.ts';

/*
 * bridge beside the reference: the same calls, each side in fresh namespaces, give the same answers
 * and leave the same links, addresses, routes of all tables, sysctls and files; and what one side's
 * ADD made the other's CHECK finds right and the other's DEL takes away. Names of veths and MAC
 * addresses are random on both sides. VLANs are in test/vm, rules of nftables in masquerade.test.ts.
 */

needPeer('cni-plugins');

/**
 * The bridge is ours to differ on: without detection of its link-local address, IPv6 between pods and
 * Services does not stall for the first two seconds. So is telling IPv6 neighbours of a pod that comes
 * up, as IPv4 ones are told. A secret can't be read before there is one.
 */
const OWN_SYSCTLS = /^ipv6\/conf\/(br0\/accept_dad|eth\d\/ndisc_notify|.*\/stable_secret)$/;

const bridge: Compared = {
  config: {
    type: 'bridge',
    bridge: 'br0',
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.2.0/24' }]] },
  },
  sysctlsOf: (ifName) =>
    [`ipv4/conf/${ifName}`, `ipv6/conf/${ifName}`].flatMap((folder) =>
      readdirSync(`/proc/sys/net/${folder}`)
        .map((name) => `${folder}/${name}`)
        .filter((path) => !OWN_SYSCTLS.test(path)),
    ),
};

const dual = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
};
const subnet = (text: string): object => ({ type: 'host-local', subnet: text });
const command = (line: string): Step => line.split(' ') as [string, ...string[]];

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
    expect(play(bridge, 'podwire', steps)).toEqual(play(bridge, 'reference', steps));
  });

  it.each(refusals)('refuses %s', (_, steps) => {
    const last = (side: Side): unknown => {
      using node = new ComparedNode(bridge, side);
      return normalized(steps.map((step) => node.do(step)).at(-1));
    };
    expect(last('podwire')).toEqual(last('reference'));
    expect(last('podwire')).toMatchObject({ status: 1, json: { msg: expect.any(String) } });
  });

  it.each(options.map(([title, config, isChecked = true]) => ({ title, config, isChecked })))(
    '$title: CHECK and DEL take what the other side made',
    ({ config, isChecked }) => {
      const crossed = (side: Side): unknown => {
        using node = new ComparedNode(bridge, side);
        const call = (by: Side, verb: string): unknown =>
          node.call({ side: by, verb, config, withPrevious: verb !== 'ADD' }).status;
        const answers = [
          call(side, 'ADD'),
          call('podwire', 'CHECK'),
          ...(isChecked ? [call('reference', 'CHECK')] : []),
          call(side === 'podwire' ? 'reference' : 'podwire', 'DEL'),
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
      using node = new ComparedNode(bridge, side);
      const { json } = node.do(add(config, { CNI_ARGS: 'IgnoreUnknown=1;MAC=06:00:00:00:00:01' }));
      expect(json).toMatchObject({ interfaces: [{}, {}, { mac }] });
    }
  });

  it('honours mtu and advmss of a route, which the reference leaves out', () => {
    const routes = [{ dst: '172.16.0.0/16', mtu: 1200, advmss: 1100 }];
    const metrics = (side: Side): unknown => {
      using node = new ComparedNode(bridge, side);
      const { json } = node.do(add({ isGateway: true, ipam: { ...dual, routes } }));
      const { pod } = node.state() as { pod: { routes: Json[] } };
      const route = pod.routes.find(({ dst }) => dst === '172.16.0.0/16');
      return { told: (json as Json).routes, set: [route?.mtu, route?.advmss] };
    };
    const told = [{ dst: '172.16.0.0/16', mtu: 1200, advmss: 1100 }];
    expect(metrics('podwire')).toEqual({ told, set: [1200, 1100] });
    expect(metrics('reference')).toEqual({ told, set: [undefined, undefined] });
  });

  it('leaves nothing of the pod on a DEL without a namespace, where the reference leaves the veth', () => {
    const left = (side: Side): unknown => {
      using node = new ComparedNode(bridge, side);
      node.do(add());
      const { status } = node.do({ verb: 'DEL', env: { CNI_NETNS: '' } });
      const { node: host } = node.state() as { node: { links: Json[] } };
      return { status, links: host.links.map(({ kind }) => kind) };
    };
    expect(left('podwire')).toEqual({ status: 0, links: [null, 'bridge'] });
    expect(left('reference')).toEqual({ status: 0, links: [null, 'bridge', 'veth'] });
  });
});
