import { describe, expect, it } from 'vitest';
import { FLANNEL, type Node } from '../../cluster/objects.ts';
import { parsePrefix } from '../../ipaddr/prefix.ts';
import { planNodes } from './plan.ts';
import type { OverlaySettings } from './settings.ts';

const settings: OverlaySettings = {
  id: 1,
  port: 8472,
  network: [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:244::/48')],
  directRouting: false,
  masquerade: true,
  nodeMaskBits: { 4: 24, 6: 64 },
};

function node(number: number, more: Partial<Node> = {}, annotations = {}): Node {
  return {
    kind: 'Node',
    metadata: { name: `node${number}`, namespace: '', labels: {}, annotations },
    deleting: false,
    podCIDRs: [`10.244.${number}.0/24`, `fd00:244:0:${number}::/64`],
    addresses: [
      { type: 'Hostname', address: `node${number}` },
      { type: 'InternalIP', address: `192.0.2.${number}` },
      { type: 'InternalIP', address: `2001:db8::${number}` },
    ],
    taints: [],
    ...more,
  };
}

/** The plan of node1 as text. */
function planOf(nodes: readonly Node[], more: Partial<OverlaySettings> = {}) {
  const plan = planNodes(nodes, 'node1', { ...settings, ...more });
  if (plan === undefined) return undefined;
  return {
    tunnels: plan.tunnels.map(
      ({ local, peers }) =>
        `${local}: ${peers.map(({ subnet, endpoint, mac }) => `${subnet} ${endpoint} ${mac ?? ''}`.trim()).join(', ')}`,
    ),
    problems: plan.problems.map((each) => `${each.node}: ${each.text}`),
  };
}

describe('planNodes', () => {
  it('knows nothing of a node that has no object', () => {
    expect(planOf([node(2)])).toBe(undefined);
  });

  it('has pods of each family go over that family, as flannel has it', () => {
    expect(planOf([node(1), node(2)])).toEqual({
      tunnels: [
        '192.0.2.1: 10.244.1.0/24 192.0.2.1, 10.244.2.0/24 192.0.2.2 02:01:c0:00:02:02',
        expect.stringMatching(
          /^2001:db8::1: fd00:244:0:1::\/64 2001:db8::1, fd00:244:0:2::\/64 2001:db8::2 02:/,
        ),
      ],
      problems: [],
    });
  });

  it('has all go over IPv4 where the node has no IPv6 address', () => {
    const addresses = [{ type: 'InternalIP', address: '192.0.2.1' }];
    const { tunnels } = planOf([node(1, { addresses }), node(2)]) ?? {};
    expect(tunnels).toEqual([
      '192.0.2.1: 10.244.1.0/24 192.0.2.1, 10.244.2.0/24 192.0.2.2 02:01:c0:00:02:02, ' +
        'fd00:244:0:2::/64 192.0.2.2 02:01:c0:00:02:02',
    ]);
  });

  it("takes flannel's word for address and MAC address", () => {
    const annotations = {
      [FLANNEL.type]: 'vxlan',
      [FLANNEL[4].data]: '{"VNI":1,"VtepMAC":"0a:00:00:00:00:02"}',
      [FLANNEL[4].endpoint]: '198.51.100.2',
    };
    const podCIDRs = ['10.244.2.0/24'];
    expect(
      planOf([node(1, { podCIDRs: ['10.244.1.0/24'] }), node(2, { podCIDRs }, annotations)]),
    ).toEqual({
      tunnels: ['192.0.2.1: 10.244.1.0/24 192.0.2.1, 10.244.2.0/24 198.51.100.2 0a:00:00:00:00:02'],
      problems: [],
    });
  });

  it('keeps the MAC address the node has said, and goes by an address that overrides its own', () => {
    const annotations = {
      [FLANNEL.type]: 'vxlan',
      [FLANNEL[4].data]: '{"VNI":1,"VtepMAC":"0a:00:00:00:00:01"}',
      [FLANNEL[4].endpoint]: '192.0.2.1',
      [FLANNEL[4].overwrite]: '198.51.100.1',
    };
    expect(planOf([node(1, { podCIDRs: ['10.244.1.0/24'] }, annotations)])?.tunnels).toEqual([
      '198.51.100.1: 10.244.1.0/24 198.51.100.1 0a:00:00:00:00:01',
    ]);
  });

  it('is not told by the node itself what it said of another network', () => {
    const annotations = {
      [FLANNEL.type]: 'vxlan',
      [FLANNEL[4].data]: '{"VNI":2,"VtepMAC":"0a:00:00:00:00:01"}',
      [FLANNEL[4].endpoint]: 'nowhere',
    };
    expect(planOf([node(1, { podCIDRs: ['10.244.1.0/24'] }, annotations)])).toEqual({
      tunnels: ['192.0.2.1: 10.244.1.0/24 192.0.2.1'],
      problems: [],
    });
  });

  it.each<[string, Partial<Node>, object, string]>([
    [
      'a subnet outside',
      { podCIDRs: ['10.9.0.0/24'] },
      {},
      'node2: podCIDR 10.9.0.0/24 is not in the network 10.244.0.0/16, fd00:244::/48',
    ],
    ['no prefix', { podCIDRs: ['10.244.2.0'] }, {}, 'node2: podCIDR "10.244.2.0" is not a prefix'],
    [
      'no address',
      { podCIDRs: ['10.244.2.0/24'], addresses: [] },
      {},
      'node2: it has no IPv4 address on the underlay',
    ],
    [
      'the subnet of this node',
      { podCIDRs: ['10.244.1.128/25'] },
      {},
      'node2: subnet 10.244.1.0/24 of this node overlaps subnet 10.244.1.128/25 of peer 192.0.2.2',
    ],
    [
      'a wrong address',
      { podCIDRs: ['10.244.2.0/24'] },
      { [FLANNEL[4].endpoint]: '::1' },
      `node2: ${FLANNEL[4].endpoint} "::1" is not an IPv4 address`,
    ],
    [
      'another VNI',
      { podCIDRs: ['10.244.2.0/24'] },
      {
        [FLANNEL.type]: 'vxlan',
        [FLANNEL[4].data]: '{"VNI":2,"VtepMAC":"0a:00:00:00:00:02"}',
      },
      'node2: its VNI is 2, expected 1',
    ],
    [
      'no data',
      { podCIDRs: ['10.244.2.0/24'] },
      { [FLANNEL.type]: 'vxlan', [FLANNEL[4].data]: 'null' },
      `node2: ${FLANNEL[4].data} has no VtepMAC: null`,
    ],
  ])('names a node with %s, and goes on with the others', (_what, more, annotations, problem) => {
    const one = node(1, { podCIDRs: ['10.244.1.0/24'] });
    const three = node(3, { podCIDRs: ['10.244.3.0/24'] });
    const plan = planOf([one, node(2, more, annotations), three]);
    expect(plan?.problems).toEqual([problem]);
    expect(plan?.tunnels[0]).toContain('10.244.3.0/24 192.0.2.3');
    expect(plan?.tunnels[0]).not.toContain('192.0.2.2');
  });

  it('programs neither of two that say they have the same subnet', () => {
    const podCIDRs = ['10.244.2.0/24'];
    const one = node(1, { podCIDRs: ['10.244.1.0/24'] });
    const plan = planOf([one, node(2, { podCIDRs }), node(3, { podCIDRs })]);
    const text =
      'subnet 10.244.2.0/24 of peer 192.0.2.2 overlaps subnet 10.244.2.0/24 of peer 192.0.2.3';
    expect(plan).toEqual({
      tunnels: ['192.0.2.1: 10.244.1.0/24 192.0.2.1'],
      problems: [`node2: ${text}`, `node3: ${text}`],
    });
  });
});
