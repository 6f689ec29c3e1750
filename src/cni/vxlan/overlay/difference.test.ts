import { describe, expect, it } from 'vitest';
import { parseMac } from '../../../ipaddr/mac.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../ipaddr/prefix.ts';
import { type Actual, difference, PROTOCOL_PODWIRE } from './difference.ts';
import type { Entries } from './plan.ts';

const NOTHING: Actual & Entries = { addresses: [], neighs: [], fdb: [], routes: [] };
const dst = parseAddr('10.244.2.0');
const mac = parseMac('02:01:c0:00:02:02');
const otherMac = parseMac('0a:00:00:00:00:09');
const endpoint = parseAddr('192.0.2.2');
const subnet = parsePrefix('10.244.2.0/24');
const desired: Entries = {
  ...NOTHING,
  neighs: [{ dst, mac }],
  fdb: [{ mac, endpoint }],
  routes: [{ dst: subnet, gateway: dst }],
};

const neigh = { linkIndex: 4, dst, lladdr: mac, state: 'permanent' } as const;
const entry = {
  linkIndex: 4,
  mac,
  dst: endpoint,
  state: 'permanent',
  masterIndex: undefined,
  offloaded: false,
  locked: false,
} as const;
const route = {
  dst: subnet,
  gateway: dst,
  linkIndex: 4,
  type: 'unicast',
  scope: 0,
  table: 254,
  protocol: PROTOCOL_PODWIRE,
} as const;
const ours: Actual = {
  ...NOTHING,
  neighs: [{ ...neigh, protocol: PROTOCOL_PODWIRE }],
  fdb: [{ ...entry, externLearn: true }],
  routes: [route],
};

describe('difference', () => {
  it('is nothing when all is as it should be', () => {
    expect(difference(desired, ours)).toEqual({ missing: NOTHING, stale: NOTHING });
  });

  it('is everything when nothing is there, and the other way round', () => {
    expect(difference(desired, NOTHING)).toEqual({ missing: desired, stale: NOTHING });
    expect(difference(NOTHING, ours)).toEqual({ missing: NOTHING, stale: ours });
  });

  it('replaces what is wrong, and does not remove what takes its place', () => {
    const wrong: Actual = {
      ...NOTHING,
      neighs: [{ ...neigh, lladdr: otherMac, protocol: PROTOCOL_PODWIRE }],
      fdb: [{ ...entry, dst: parseAddr('192.0.2.9'), externLearn: true }],
      routes: [{ ...route, gateway: parseAddr('10.244.2.9') }],
    };
    expect(difference(desired, wrong)).toEqual({ missing: desired, stale: NOTHING });
    const passing = [{ ...neigh, state: 'stale', protocol: PROTOCOL_PODWIRE } as const];
    expect(difference(desired, { ...ours, neighs: passing }).missing.neighs).toHaveLength(1);
    const elsewhere = [{ ...entry, port: 4789, externLearn: true }];
    expect(difference(desired, { ...ours, fdb: elsewhere }).missing.fdb).toHaveLength(1);
  });

  it('leaves what others made', () => {
    const theirs: Actual = {
      ...NOTHING,
      neighs: [neigh],
      fdb: [entry],
      routes: [{ ...route, protocol: 3 }],
    };
    expect(difference(NOTHING, theirs)).toEqual({ missing: NOTHING, stale: NOTHING });
  });
});
