import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import {
  add,
  type Compared,
  ComparedNode,
  cycle,
  type Json,
  play,
  type Step,
} from './compared-node.ts';
import { needPeer, type Side } from './sides.ts';

/*
 * bridge beside the reference: the same calls, each side in fresh namespaces, give the same answers
 * and leave the same links, addresses, routes, sysctls and files. Names of veths and MAC addresses
 * are random on both sides.
 */

needPeer('cni-plugins');

const bridge: Compared = {
  config: {
    type: 'bridge',
    bridge: 'br0',
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.2.0/24' }]] },
  },
  sysctlsOf: (ifName) => [
    `ipv6/conf/${ifName}/accept_ra`,
    // The bridge is ours to differ on: without detection of its link-local address, IPv6 between
    // pods and Services does not stall for the first two seconds.
    ...(ifName === 'br0' ? [] : [`ipv6/conf/${ifName}/accept_dad`]),
    `ipv6/conf/${ifName}/disable_ipv6`,
    `ipv4/conf/${ifName}/arp_notify`,
  ],
};

const dual = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]],
};

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
    expect(play(bridge, 'podwire', steps)).toEqual(play(bridge, 'reference', steps));
  });

  it('leaves nothing of the pod on a DEL without a namespace, where the reference leaves the veth', () => {
    const left = (side: Side): unknown => {
      using node = new ComparedNode(bridge, side);
      node.call(add());
      const { status } = node.call({ verb: 'DEL', env: { CNI_NETNS: '' } });
      const { node: host } = node.state() as { node: { links: Json[] } };
      return { status, links: host.links.map(({ kind }) => kind) };
    };
    expect(left('podwire')).toEqual({ status: 0, links: [null, 'bridge'] });
    expect(left('reference')).toEqual({ status: 0, links: [null, 'bridge', 'veth'] });
  });
});
