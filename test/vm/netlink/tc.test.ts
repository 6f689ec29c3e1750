import { describe, expect } from 'vitest';
import { tryParseMac } from '../../../src/ipaddr/mac.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { filterAdd } from '../../../src/netlink/tc/filter.ts';
import { tcHandle } from '../../../src/netlink/tc/handle.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../../../src/netlink/tc/protocol.ts';
import { qdiscAdd } from '../../../src/netlink/tc/qdisc.ts';
import {
  filterCase,
  filterComparison,
  GIVEN,
  I0,
  qdiscComparison,
  V0,
} from '../../integration/netlink/tc-witness.ts';
import { type WitnessCase, witness } from '../../integration/netlink/witness.ts';

const CLSACT = ['tc qdisc add dev v0 clsact'];

const codel = (title: string, theirs: string, settings?: object): WitnessCase => ({
  title,
  given: GIVEN,
  ours: (connection) => {
    const spec = {
      linkIndex: V0,
      handle: tcHandle(1),
      kind: 'fq_codel',
      fq_codel: settings,
    } as const;
    expect(qdiscAdd(connection, spec)).toBe(true);
  },
  theirs: [`tc qdisc add dev v0 root handle 1: fq_codel ${theirs}`.trimEnd()],
  shown: 'tc -j qdisc show dev v0',
});

describe('a qdisc not every kernel has', () => {
  witness(
    'vm-qdisc',
    [
      codel('fq_codel', ''),
      codel(
        'fq_codel with settings',
        'limit 2000 flows 512 target 7ms interval 90ms quantum 1400 noecn',
        {
          limit: 2000,
          flows: 512,
          targetUs: 7000,
          intervalUs: 90_000,
          quantumBytes: 1400,
          ecn: 0,
        },
      ),
    ],
    qdiscComparison,
  );
});

describe('a filter not every kernel has', () => {
  witness(
    'vm-filter',
    [
      filterCase(
        'matchall that sends all to an ifb',
        'ingress',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            kind: 'matchall',
            actions: [
              { kind: 'mirred', mirred: { mode: 'redirect', direction: 'egress', linkIndex: I0 } },
            ],
          }),
        'protocol all matchall action mirred egress redirect dev i0',
        CLSACT,
      ),
      ...(['drop', 'ok', 'pipe', 'continue', 'reclassify'] as const).map((control) =>
        filterCase(
          `matchall that says ${control}`,
          'egress',
          (connection, place) =>
            filterAdd(connection, {
              ...place,
              kind: 'matchall',
              actions: [{ kind: 'gact', control }],
            }),
          `protocol all matchall action gact ${control}`,
          CLSACT,
        ),
      ),
      filterCase(
        'flower for TCP of IPv4',
        'egress',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            priority: 3,
            protocol: ETH_P_IP,
            kind: 'flower',
            flower: {
              src: parsePrefix('10.0.0.0/8'),
              dst: parsePrefix('192.0.2.1/32'),
              ipProto: 6,
              sport: 1000,
              dport: 80,
            },
            actions: [{ kind: 'gact', control: 'drop' }],
          }),
        'protocol ip prio 3 flower src_ip 10.0.0.0/8 dst_ip 192.0.2.1 ip_proto tcp src_port 1000 dst_port 80 action drop',
        CLSACT,
      ),
      filterCase(
        'flower for UDP of IPv6',
        'egress',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            protocol: ETH_P_IPV6,
            classId: tcHandle(1, 1),
            kind: 'flower',
            flower: { dst: parsePrefix('fd00::/8'), ipProto: 17, dport: 53 },
          }),
        'protocol ipv6 flower dst_ip fd00::/8 ip_proto udp dst_port 53 classid 1:1',
        CLSACT,
      ),
      filterCase(
        'flower for Ethernet addresses',
        'ingress',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            kind: 'flower',
            flower: {
              ethSrc: tryParseMac('02:00:00:00:00:01'),
              ethDst: tryParseMac('02:00:00:00:00:02'),
            },
            actions: [{ kind: 'gact', control: 'ok' }],
          }),
        'protocol all flower src_mac 02:00:00:00:00:01 dst_mac 02:00:00:00:00:02 action pass',
        CLSACT,
      ),
    ],
    filterComparison,
  );
});
