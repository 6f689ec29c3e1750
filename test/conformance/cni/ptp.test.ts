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
import { needPeer } from './sides.ts';

/*
 * ptp beside the reference: the same calls, each side in fresh namespaces, give the same answers and
 * leave the same links, addresses, routes, sysctls and files, and each side takes away what the other made.
 */

needPeer('cni-plugins');

const ptp: Compared = {
  config: { type: 'ptp', ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.2.0/24' }]] } },
  // Neighbours are told of the pod, and nobody waits for duplicate address detection, on our side alone.
  sysctlsOf: (ifName) => [`ipv6/conf/${ifName}/accept_ra`, `ipv6/conf/${ifName}/disable_ipv6`],
};

const dual = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '2001:db8:1::/66' }]],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16' }, { dst: '1.2.3.4/32' }],
};
const fixed = {
  type: 'static',
  addresses: [{ address: '10.9.0.7/16', gateway: '10.9.200.1' }],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '172.16.0.0/12', gw: '10.9.3.3', priority: 7 }],
  dns: { nameservers: ['192.0.2.53'] },
};

const scenarios: readonly (readonly [string, readonly Step[]])[] = [
  ['one address', cycle({})],
  ['both families and routes', cycle({ ipam: dual })],
  [
    'IPv6 only',
    cycle({
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '2001:db8::/64' }]],
        routes: [{ dst: '::/0' }],
      },
    }),
  ],
  [
    'two addresses of a family',
    cycle({
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]],
      },
    }),
  ],
  ['addresses and routes of static', cycle({ ipam: fixed })],
  // The reference's CHECK looks into the main table alone.
  [
    'a route in a table of its own',
    [
      add({ ipam: { ...fixed, routes: [{ dst: '192.168.9.0/24', table: 9 }] } }),
      { verb: 'DEL', config: { ipam: fixed } },
    ],
  ],
  ['mtu', cycle({ mtu: 5000 })],
  ['dns of its own', cycle({ ipam: fixed, dns: { search: ['a.example'] } })],
  ['dns of its own that is empty', cycle({ ipam: fixed, dns: { nameservers: [] } })],
  ['ipMasq by iptables', cycle({ ipMasq: true, ipMasqBackend: 'iptables' })],
  ['ipMasq by nftables', cycle({ ipMasq: true, ipMasqBackend: 'nftables' })],
  ...SPEC_VERSIONS.map(
    (cniVersion) =>
      [
        `version ${cniVersion}`,
        [add({ cniVersion, ipam: dual }), { verb: 'DEL', config: { cniVersion, ipam: dual } }],
      ] as const,
  ),
  ['DEL where nothing was added', [{ verb: 'DEL' }]],
  ['DEL without a namespace where nothing was added', [{ verb: 'DEL', env: { CNI_NETNS: '' } }]],
  ['STATUS', [{ verb: 'STATUS' }]],
];

describe('ptp beside the reference', () => {
  it.each(scenarios)('%s', (_, steps) => {
    const ours = play(ptp, 'podwire', steps);
    expect(ours).toEqual(play(ptp, 'reference', steps));
    const [first] = ours as { answer: Json }[];
    expect(first?.answer).toMatchObject({ status: 0 });
  });

  it.each([
    ['podwire', 'reference'],
    ['reference', 'podwire'],
  ] as const)('what %s made %s checks and takes away', (adds, removes) => {
    for (const ipMasqBackend of ['iptables', 'nftables']) {
      using node = new ComparedNode(ptp, adds);
      const before = node.state();
      const config = { ipMasq: true, ipMasqBackend, ipam: dual };
      const success = { status: 0, json: {} };
      expect(node.call(add(config))).toMatchObject({ status: 0 });
      const again = { side: removes, config, withPrevious: true };
      expect(node.call({ verb: 'CHECK', ...again })).toEqual(success);
      expect(node.call({ verb: 'DEL', ...again })).toEqual(success);
      const {
        node: host,
        pod,
        files,
      } = node.state() as {
        node: Json;
        pod: Json;
        files: [string, string][];
      };
      expect([host.links, host.routes, pod.links]).toEqual([
        (before.node as Json).links,
        [],
        (before.pod as Json).links,
      ]);
      expect(files.map(([name]) => name)).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1']);
      expect(node.rules()).not.toMatch(/10\.1\.2|2001:db8|CNI-[0-9a-f]/);
    }
  });

  it('frees what the reference leaks on a DEL without a namespace', () => {
    const left = (side: 'podwire' | 'reference'): unknown => {
      using node = new ComparedNode(ptp, side);
      const config = { ipMasq: true, ipMasqBackend: 'nftables' };
      node.call(add(config));
      const { status } = node.call({ verb: 'DEL', config, env: { CNI_NETNS: '' } });
      const { node: host } = node.state() as { node: { links: Json[] } };
      const rules = node.rules().match(/10\.1\.2\.2/g)?.length ?? 0;
      return { status, links: host.links.map(({ kind }) => kind), rules };
    };
    expect(left('podwire')).toEqual({ status: 0, links: [null], rules: 0 });
    expect(left('reference')).toEqual({ status: 0, links: [null, 'veth'], rules: 1 });
  });
});
