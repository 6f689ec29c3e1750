import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Addr } from '../../../ipaddr/addr.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix, parsePrefix } from '../../../ipaddr/prefix.ts';
import { findConflict, findConflicts } from './conflict.ts';
import type { Peer } from './peer.ts';

const local = parseAddr('192.0.2.1');

describe('findConflict', () => {
  it('finds an overlap exactly when two of all prefixes do overlap', () => {
    // Few bits are in play, so that many of them meet.
    const prefix = fc
      .tuple(fc.integer({ min: 0, max: 0xff }), fc.integer({ min: 0, max: 8 }))
      .map(([octet, bits]) => Prefix.of(Addr.v4(0x0af4_0000 | (octet << 8)), 16 + bits).masked());
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 6 }),
        fc.array(prefix, { maxLength: 3 }),
        (a, b) => {
          const peers: Peer[] = a.map((subnet, at) => ({
            subnet,
            endpoint: Addr.v4(0xc000_0202 + at),
          }));
          const all = [...a, ...b];
          const overlaps = all.some((each, at) =>
            all.slice(at + 1).some((other) => each.overlaps(other)),
          );
          expect(findConflict({ id: 1, local, subnets: b }, peers) !== undefined).toBe(overlaps);
        },
      ),
    );
  });

  it('finds an IPv6 subnet that holds an endpoint', () => {
    const peers = ['2001:db8::2', '2001:db8::3'].map((endpoint, at) => ({
      subnet: parsePrefix(at === 0 ? 'fd00:2::/64' : '2001:db8::/64'),
      endpoint: parseAddr(endpoint),
    }));
    const scope = { id: 1, local: parseAddr('2001:db8:1::1'), subnets: [] };
    expect(findConflict(scope, peers)).toBe(
      'subnet 2001:db8::/64 of peer 2001:db8::3 overlaps the address 2001:db8::2 of a node',
    );
    expect(findConflict(scope, peers.slice(0, 1))).toBe(undefined);
  });

  it('finds all that overlap, and whose they are', () => {
    const peer = (subnet: string, endpoint: string): Peer => ({
      subnet: parsePrefix(subnet),
      endpoint: parseAddr(endpoint),
    });
    const wide = peer('10.244.0.0/20', '192.0.2.2');
    const inside = peer('10.244.1.0/24', '192.0.2.3');
    const also = peer('10.244.2.0/24', '192.0.2.4');
    const own = peer('10.244.64.0/24', '192.0.2.5');
    const fine = peer('10.244.32.0/24', '192.0.2.6');
    const around = peer('192.0.2.0/29', '192.0.2.7');
    const scope = { id: 1, local, subnets: [parsePrefix('10.244.64.0/25')] };
    expect(findConflicts(scope, [fine, also, own, wide, around, inside])).toMatchObject([
      { peers: [wide, inside] },
      { peers: [wide, also] },
      { peers: [own] },
      ...Array.from({ length: 7 }, () => ({ peers: [around] })),
    ]);
  });
});
