import { describe, expect, it } from 'vitest';
import { parseMac } from '../../../ipaddr/mac.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../ipaddr/prefix.ts';
import type { Peer } from './peer.ts';
import { type OverlayNode, planOverlay } from './plan.ts';

const node = (more: Partial<OverlayNode> = {}): OverlayNode => ({
  id: 1,
  port: 8472,
  local: parseAddr('192.0.2.1'),
  underlayIndex: 3,
  underlayMtu: 1500,
  subnets: [parsePrefix('10.244.1.0/24'), parsePrefix('fd00:1::/64')],
  owner: { group: 7, alias: 'ours' },
  ...more,
});

const peer = (subnet: string, endpoint: string, mac?: string): Peer => ({
  subnet: parsePrefix(subnet),
  endpoint: parseAddr(endpoint),
  ...(mac === undefined ? {} : { mac: parseMac(mac) }),
});

/** The entries as text. */
function entries(of: OverlayNode, nodes: readonly Peer[]): string[] {
  const { addresses, neighs, fdb, routes } = planOverlay(of, nodes).entries;
  return [
    ...addresses.map((prefix) => `address ${prefix}`),
    ...neighs.map(({ dst, mac }) => `${dst} is at ${mac}`),
    ...fdb.map(({ mac, endpoint }) => `${mac} is behind ${endpoint}`),
    ...routes.map(({ dst, gateway }) => `${dst} via ${gateway}`),
  ];
}

describe('planOverlay', () => {
  it('has one forwarding entry for a peer, and a neighbour and a route for each subnet of it', () => {
    const nodes = [peer('10.244.2.0/24', '192.0.2.2'), peer('fd00:2::/64', '192.0.2.2')];
    expect(entries(node(), nodes)).toEqual([
      'address 10.244.1.0/32',
      'address fd00:1::/128',
      '10.244.2.0 is at 02:01:c0:00:02:02',
      'fd00:2:: is at 02:01:c0:00:02:02',
      '02:01:c0:00:02:02 is behind 192.0.2.2',
      '10.244.2.0/24 via 10.244.2.0',
      'fd00:2::/64 via fd00:2::',
    ]);
  });

  it('leaves out the node itself, and families it has no subnet of', () => {
    const nodes = [
      peer('10.244.1.0/24', '192.0.2.1'),
      peer('10.244.2.0/24', '192.0.2.2', '0a:00:00:00:00:02'),
      peer('fd00:2::/64', '192.0.2.3'),
    ];
    expect(entries(node({ subnets: [parsePrefix('10.244.1.0/24')] }), nodes)).toEqual([
      'address 10.244.1.0/32',
      '10.244.2.0 is at 0a:00:00:00:00:02',
      '0a:00:00:00:00:02 is behind 192.0.2.2',
      '10.244.2.0/24 via 10.244.2.0',
    ]);
  });

  it('has all peers where nobody says what the node itself has', () => {
    const nodes = [peer('10.244.2.0/24', '192.0.2.2'), peer('fd00:2::/64', '192.0.2.2')];
    expect(entries(node({ subnets: [] }), nodes)).toHaveLength(5);
  });

  it('takes the MAC address that the others read in the list for its device', () => {
    const macIn = (...nodes: Peer[]): string => `${planOverlay(node(), nodes).device.mac}`;
    expect(macIn()).toBe('02:01:c0:00:02:01');
    expect(macIn(peer('10.244.1.0/24', '192.0.2.1', '0a:00:00:00:00:01'))).toBe(
      '0a:00:00:00:00:01',
    );
  });

  it('leaves room for what the underlay adds', () => {
    expect(planOverlay(node(), []).device.mtu).toBe(1450);
    expect(planOverlay(node({ local: parseAddr('2001:db8::1') }), []).device.mtu).toBe(1430);
    expect(planOverlay(node({ mtu: 1400 }), []).device.mtu).toBe(1400);
  });
});
