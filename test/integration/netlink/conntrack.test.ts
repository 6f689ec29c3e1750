import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import {
  ConntrackConnection,
  cpuStatistics,
  flowAdd,
  flowCount,
  flowDelete,
  flowDeleteMatching,
  flowFlush,
  flowGet,
  flowList,
  flowUpdate,
} from '../../../src/netlink/conntrack/connection.ts';
import {
  decodeFlowEvent,
  type FlowEvent,
  NFNLGRP_CONNTRACK,
} from '../../../src/netlink/conntrack/event.ts';
import { type FlowFilter, flowMatches } from '../../../src/netlink/conntrack/filter.ts';
import type { Flow, FlowSpec } from '../../../src/netlink/conntrack/flow.ts';
import type { Tuple } from '../../../src/netlink/conntrack/tuple.ts';
import { NETLINK_NETFILTER } from '../../../src/netlink/netfilter.ts';
import { Subscription } from '../../../src/netlink/subscription.ts';
import { writeSysctl } from '../../../src/sys/sysctl.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('conntrack');

function tuple(
  source: string,
  destination: string,
  protocol: number,
  ports?: readonly [number, number],
): Tuple {
  return {
    source: parseAddr(source),
    destination: parseAddr(destination),
    protocol,
    ...(ports === undefined ? {} : { sourcePort: ports[0], destinationPort: ports[1] }),
  };
}

/** A flow in conntrack(8)'s words and in ours, and what of a listing is not in what made it. */
interface FlowCase {
  readonly args: string;
  readonly flow: FlowSpec;
  readonly listed: Partial<Flow>;
}

const CASES: readonly FlowCase[] = [
  {
    args: '-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -m 7',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 6, [1000, 80]),
      reply: tuple('10.0.0.2', '10.0.0.1', 6, [80, 1000]),
      timeoutSeconds: 1000,
      mark: 7,
      tcpState: 'ESTABLISHED',
    },
    listed: {
      mark: 7,
      tcp: { state: 'ESTABLISHED', windowScaleOriginal: 0, windowScaleReply: 0 },
    },
  },
  {
    args: '-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 --state TIME_WAIT -u ASSURED',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 6, [1, 2]),
      reply: tuple('10.0.0.2', '10.0.0.1', 6, [2, 1]),
      timeoutSeconds: 1000,
      tcpState: 'TIME_WAIT',
      status: ['ASSURED', 'CONFIRMED'],
    },
    listed: {
      status: ['ASSURED', 'CONFIRMED'],
      tcp: { state: 'TIME_WAIT', windowScaleOriginal: 0, windowScaleReply: 0 },
    },
  },
  {
    args: '-p udp -s 10.0.0.1 -d 10.96.0.10 --sport 5353 --dport 53 -r 10.244.0.3 -q 10.0.0.1 --reply-port-src 1053 --reply-port-dst 5353',
    flow: {
      original: tuple('10.0.0.1', '10.96.0.10', 17, [5353, 53]),
      reply: tuple('10.244.0.3', '10.0.0.1', 17, [1053, 5353]),
      timeoutSeconds: 1000,
    },
    listed: {},
  },
  {
    args: '-p udp -s fd00::1 -d fd00::2 --sport 5353 --dport 53',
    flow: {
      original: tuple('fd00::1', 'fd00::2', 17, [5353, 53]),
      reply: tuple('fd00::2', 'fd00::1', 17, [53, 5353]),
      timeoutSeconds: 1000,
    },
    listed: {},
  },
  {
    args: '-p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 7 --dport 8 --state COOKIE_ECHOED --orig-vtag 0 --reply-vtag 0',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 132, [7, 8]),
      reply: tuple('10.0.0.2', '10.0.0.1', 132, [8, 7]),
      timeoutSeconds: 1000,
      sctpState: 'COOKIE_ECHOED',
    },
    listed: { sctp: { state: 'COOKIE_ECHOED' } },
  },
  {
    args: '-p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77',
    flow: {
      original: { ...tuple('10.0.0.1', '10.0.0.2', 1), icmp: { type: 8, code: 0, id: 77 } },
      reply: { ...tuple('10.0.0.2', '10.0.0.1', 1), icmp: { type: 0, code: 0, id: 77 } },
      timeoutSeconds: 1000,
    },
    listed: {},
  },
  {
    args: '-p icmpv6 -s fd00::1 -d fd00::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 78',
    flow: {
      original: { ...tuple('fd00::1', 'fd00::2', 58), icmp: { type: 128, code: 0, id: 78 } },
      reply: { ...tuple('fd00::2', 'fd00::1', 58), icmp: { type: 129, code: 0, id: 78 } },
      timeoutSeconds: 1000,
    },
    listed: {},
  },
  {
    args: '-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 5 --dport 6 -w 9',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 17, [5, 6]),
      reply: tuple('10.0.0.2', '10.0.0.1', 17, [6, 5]),
      timeoutSeconds: 1000,
      zone: 9,
    },
    listed: { zone: 9 },
  },
  {
    args: '-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 5 --dport 6 --dst-nat 10.0.0.9:60',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 17, [5, 6]),
      reply: tuple('10.0.0.2', '10.0.0.1', 17, [6, 5]),
      timeoutSeconds: 1000,
      nat: { destination: { address: parseAddr('10.0.0.9'), port: 60 } },
    },
    listed: {
      reply: tuple('10.0.0.9', '10.0.0.1', 17, [60, 5]),
      status: ['CONFIRMED', 'DST_NAT', 'SRC_NAT_DONE', 'DST_NAT_DONE'],
    },
  },
  {
    args: '-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 5 --dport 6 --src-nat 192.0.2.1:61',
    flow: {
      original: tuple('10.0.0.1', '10.0.0.2', 17, [5, 6]),
      reply: tuple('10.0.0.2', '10.0.0.1', 17, [6, 5]),
      timeoutSeconds: 1000,
      nat: { source: { address: parseAddr('192.0.2.1'), port: 61 } },
    },
    listed: {
      reply: tuple('10.0.0.2', '192.0.2.1', 17, [6, 61]),
      status: ['CONFIRMED', 'SRC_NAT', 'SRC_NAT_DONE', 'DST_NAT_DONE'],
    },
  },
];

/** What conntrack(8) prints of every flow as data, without what differs from one to the next. */
function printed(): string {
  const families = ['ipv4', 'ipv6'].map((family) =>
    fixture.exec('conntrack', '-L', '-f', family, '-o', 'xml'),
  );
  return families
    .join('')
    .replaceAll(/<timeout>\d+<\/timeout>/g, '')
    .replaceAll(/<id>\d+<\/id>/g, '')
    .replaceAll(/<use>\d+<\/use>/g, '');
}

/** Whether NAT is set up at all, which the kernel does with the first rule that translates. */
function setUpNat(): void {
  fixture.execInput(
    'table inet nat {\nchain c {\ntype nat hook postrouting priority 100;\n}\n}\n',
    'nft',
    '-f',
    '-',
  );
}

describe('a flow', () => {
  it.each(CASES)('$args', ({ args, flow, listed }) => {
    using connection = ConntrackConnection.open(fixture.netns);
    setUpNat();
    const expected = {
      id: expect.any(Number),
      original: flow.original,
      reply: flow.reply,
      status: expect.arrayContaining(['CONFIRMED']),
      timeoutSeconds: expect.any(Number),
      mark: 0,
      zone: 0,
      useCount: expect.any(Number),
      ...listed,
    };
    fixture.exec('conntrack', '-I', '-t', '1000', ...args.split(' '));
    const theirs = printed();
    expect(theirs).toContain('<flow>');
    const [made, ...others] = flowList(connection);
    expect(others).toEqual([]);
    expect(made).toEqual(expected);
    expect(made?.timeoutSeconds).toBeGreaterThan(900);

    flowFlush(connection);
    expect(flowList(connection)).toEqual([]);
    expect(flowAdd(connection, flow)).toBe(true);
    expect(flowAdd(connection, flow)).toBe(false);
    expect(printed()).toBe(theirs);
    expect(flowList(connection)).toEqual([expected]);
    const key = { original: flow.original, zone: flow.zone };
    const found = flowGet(connection, key);
    expect(found).toEqual(expected);
    if (found === undefined) throw new Error('unreachable');

    // Its id tells it from one that has taken its place.
    expect(flowDelete(connection, { ...found, id: found.id ^ 1 })).toBe(false);
    expect(flowGet(connection, { ...found, id: found.id ^ 1 })).toBeUndefined();
    expect(flowDelete(connection, found)).toBe(true);
    expect(flowDelete(connection, found)).toBe(false);
    expect(flowGet(connection, key)).toBeUndefined();
    expect(printed()).not.toContain('<flow>');
  });

  it('can be changed', () => {
    using connection = ConntrackConnection.open(fixture.netns);
    const { flow } = CASES[0] as FlowCase;
    expect(flowUpdate(connection, flow, { mark: 1 })).toBe(false);
    flowAdd(connection, flow);
    const change = {
      mark: 0xf00,
      timeoutSeconds: 77,
      tcpState: 'CLOSE_WAIT',
      status: ['SEEN_REPLY', 'ASSURED', 'CONFIRMED'],
    } as const;
    expect(flowUpdate(connection, flow, change)).toBe(true);
    const changed = flowGet(connection, flow);
    expect(changed).toMatchObject({ mark: 0xf00, tcp: { state: 'CLOSE_WAIT' } });
    expect(changed?.status).toContain('ASSURED');
    const text = fixture.exec('conntrack', '-L');
    expect(text).toMatch(/tcp +6 7\d CLOSE_WAIT .*\[ASSURED\] mark=3840 /);
  });

  it('has labels when a rule sets some', () => {
    using connection = ConntrackConnection.open(fixture.netns);
    fixture.execInput(
      'table ip t {\nchain c {\ntype filter hook output priority 0;\nct label set 1\n}\n}\n',
      'nft',
      '-f',
      '-',
    );
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('ping', '-c', '1', '-W', '5', '127.0.0.1');
    const [flow] = flowList(connection);
    expect(flow?.labels).toEqual(Uint8Array.of(2, ...new Uint8Array(15)));
    if (flow === undefined) return;
    const labels = Uint8Array.of(5, ...new Uint8Array(15));
    expect(flowUpdate(connection, flow, { labels })).toBe(true);
    expect(flowGet(connection, flow)?.labels).toEqual(labels);
  });

  it('has the shifts of sequence numbers that a helper made', () => {
    using connection = ConntrackConnection.open(fixture.netns);
    const { flow } = CASES[0] as FlowCase;
    setUpNat();
    const sequence = {
      original: { correctionPosition: 100, offsetBefore: 2, offsetAfter: 5 },
      reply: { correctionPosition: 200, offsetBefore: 0, offsetAfter: 7 },
    };
    flowAdd(connection, {
      ...flow,
      sequence,
      nat: { source: { address: parseAddr('192.0.2.1') } },
    });
    const [listed] = flowList(connection);
    expect(listed?.sequence).toEqual(sequence);
    expect(listed?.status).toContain('SEQ_ADJUST');
  });
});

describe('real traffic', () => {
  it('is counted and dated as conntrack(8) prints it, and told of by events', async () => {
    using connection = ConntrackConnection.open(fixture.netns);
    fixture.netns.run(() => {
      writeSysctl('net/netfilter/nf_conntrack_acct', '1');
      writeSysctl('net/netfilter/nf_conntrack_timestamp', '1');
    });
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.execInput(
      'table ip t {\nchain c {\ntype filter hook output priority 0;\nct state new\n}\n}\n',
      'nft',
      '-f',
      '-',
    );
    const before = BigInt(Date.now()) * 1_000_000n;
    const actions: FlowEvent[] = [];
    let onDestroy: (event: FlowEvent) => void = () => {};
    const destroyed = new Promise<FlowEvent>((resolve) => {
      onDestroy = resolve;
    });
    using _ = Subscription.open({
      protocol: NETLINK_NETFILTER,
      groups: [NFNLGRP_CONNTRACK.NEW, NFNLGRP_CONNTRACK.UPDATE, NFNLGRP_CONNTRACK.DESTROY],
      netns: fixture.netns,
      onMessage: (message) => {
        const event = decodeFlowEvent(message);
        if (event === undefined) return;
        actions.push(event);
        if (event.action === 'destroy') onDestroy(event);
      },
      onLost: () => {
        throw new Error('lost');
      },
    });
    fixture.exec('ping', '-c', '2', '-i', '0.01', '-s', '100', '-W', '5', '127.0.0.1');
    const [flow] = flowList(connection);
    if (flow === undefined) throw new Error('no flow');
    // A header of IP and one of ICMP (RFC 791, RFC 792) before the 100 octets.
    const counters = { packets: 2n, bytes: 2n * 128n };
    expect(flow.counters).toEqual({ original: counters, reply: counters });
    expect(flow.timestamp?.startNs).toBeGreaterThanOrEqual(before);
    const xml = fixture.exec('conntrack', '-L', '-o', 'xml,id,timestamp');
    expect(xml).toContain('<packets>2</packets><bytes>256</bytes>');
    expect(xml).toContain(`<id>${flow.id}</id>`);
    expect(flow.status).toContain('SEEN_REPLY');

    expect(flowDelete(connection, flow)).toBe(true);
    const { flow: last } = await destroyed;
    expect(last).toMatchObject({ id: flow.id, original: flow.original, counters: flow.counters });
    expect(last.timestamp?.stopNs).toBeGreaterThan(flow.timestamp?.startNs ?? 0n);
    expect(actions.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['new', 'update', 'destroy']),
    );
    expect(actions[0]?.action).toBe('new');
    const statistics = cpuStatistics(connection);
    expect(statistics.map(({ cpu }) => cpu)).toEqual([...statistics.keys()]);
    expect(statistics.length).toBeGreaterThan(0);
    // One line each: `cpu=0 found=... insert_failed=...`.
    const text = fixture.exec('conntrack', '-S');
    for (const each of statistics) {
      const line = text.split('\n').find((row) => row.startsWith(`cpu=${each.cpu} `)) ?? '';
      const values = Object.fromEntries(
        line
          .trim()
          .split(/\s+/)
          .map((pair) => pair.split('=')),
      );
      expect(values).toMatchObject({
        found: `${each.found}`,
        invalid: `${each.invalid}`,
        insert: `${each.insert}`,
        insert_failed: `${each.insertFailed}`,
        drop: `${each.drop}`,
        early_drop: `${each.earlyDrop}`,
        search_restart: `${each.searchRestart}`,
      });
    }
  });
});

describe('a filter', () => {
  const flows: readonly FlowSpec[] = CASES.map(({ flow }) => flow).slice(0, 8);
  const cases: readonly (readonly [string, FlowFilter, readonly number[]])[] = [
    ['nothing', {}, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['family', { family: 6 }, [3, 6]],
    ['mark', { mark: { value: 7 } }, [0]],
    ['bits of the mark', { mark: { value: 4, mask: 4 } }, [0]],
    ['status', { status: ['ASSURED'] }, [1]],
    ['zone', { zone: 9 }, [7]],
    ['source', { original: { source: parseAddr('10.0.0.1') } }, [0, 1, 2, 4, 5, 7]],
    ['destination', { original: { destination: parseAddr('10.96.0.10') } }, [2]],
    ['protocol', { original: { protocol: 17 } }, [2, 3, 7]],
    ['port without a protocol', { original: { destinationPort: 53 } }, [2, 3]],
    [
      'address, protocol and port',
      { original: { destination: parseAddr('10.96.0.10'), protocol: 17, destinationPort: 53 } },
      [2],
    ],
    ['replies', { reply: { source: parseAddr('10.244.0.3') } }, [2]],
    ['replies by port', { family: 4, reply: { protocol: 17, sourcePort: 1053 } }, [2]],
    [
      'all at once',
      {
        family: 4,
        mark: { value: 7 },
        zone: 0,
        original: { protocol: 6, sourcePort: 1000 },
        reply: { destinationPort: 1000 },
      },
      [0],
    ],
    ['nothing there', { original: { source: parseAddr('10.9.9.9') } }, []],
  ];
  it.each(cases)('by %s', (_, filter, indices) => {
    using connection = ConntrackConnection.open(fixture.netns);
    for (const flow of flows) flowAdd(connection, flow);
    const all = flowList(connection);
    expect(all).toHaveLength(flows.length);
    const wanted = new Set(indices.map((index) => keyOf(flows[index] as FlowSpec)));
    expect(new Set(flowList(connection, filter).map(keyOf))).toEqual(wanted);
    expect(new Set(all.filter((flow) => flowMatches(filter, flow)).map(keyOf))).toEqual(wanted);

    expect(flowDeleteMatching(connection, filter)).toBe(indices.length);
    expect(flowList(connection, filter)).toEqual([]);
    expect(flowList(connection)).toHaveLength(flows.length - indices.length);
    expect(flowCount(connection).entries).toBe(flows.length - indices.length);
  });

  it('of a mark flushes in one request', () => {
    using connection = ConntrackConnection.open(fixture.netns);
    for (const flow of flows) flowAdd(connection, flow);
    flowFlush(connection, { mark: { value: 7 } });
    expect(flowList(connection).map(({ mark }) => mark)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    flowFlush(connection);
    expect(flowList(connection)).toEqual([]);
    expect(flowCount(connection)).toEqual({ entries: 0, entriesMax: expect.any(Number) });
  });
});

function keyOf({ original, zone = 0 }: Pick<FlowSpec, 'original' | 'zone'>): string {
  const { source, destination, protocol, sourcePort = 0, destinationPort = 0 } = original;
  return [source, destination, protocol, sourcePort, destinationPort, zone].join(' ');
}

describe('a refusal', () => {
  it('says which flow, and what is wrong with it', () => {
    using connection = ConntrackConnection.open(fixture.netns);
    const { flow } = CASES[0] as FlowCase;
    expect(() => flowAdd(connection, { ...flow, status: ['DYING'] })).toThrow(
      /^add flow 10\.0\.0\.1 to 10\.0\.0\.2 protocol 6 ports 1000 to 80: E[A-Z]+/,
    );
  });
});
