import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../../src/ipaddr/parse-addr.ts';
import { NETLINK_NETFILTER } from '../../../../src/netlink/netfilter.ts';
import { Batch } from '../../../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../../../src/netlink/nftables/connection.ts';
import {
  decodeEvent,
  NFNLGRP_NFTABLES,
  type NftablesEvent,
} from '../../../../src/netlink/nftables/event.ts';
import { loadImmediate } from '../../../../src/netlink/nftables/expression/load.ts';
import { matchCtState } from '../../../../src/netlink/nftables/expression/match.ts';
import { counter } from '../../../../src/netlink/nftables/expression/stateful.ts';
import { storeMeta } from '../../../../src/netlink/nftables/expression/store.ts';
import { ACCEPT, jumpTo, verdict } from '../../../../src/netlink/nftables/expression/verdict.ts';
import { ruleList } from '../../../../src/netlink/nftables/list.ts';
import {
  decodeTrace,
  NFNLGRP_NFTRACE,
  type TraceEvent,
} from '../../../../src/netlink/nftables/trace.ts';
import { IPV4_ADDR } from '../../../../src/netlink/nftables/types.ts';
import { Subscription } from '../../../../src/netlink/subscription.ts';
import { useNetns } from '../../netns-fixture.ts';

const fixture = useNetns('nftevents');
const table = { family: 'ip', name: 't' } as const;
const networks = { name: 'networks', key: IPV4_ADDR, flags: ['interval'] } as const;
const address = (text: string): Uint8Array => parseAddr(text).toBytes();

/** Takes events until one is the last. */
function collect<T>(
  group: number,
  decode: (message: Parameters<typeof decodeTrace>[0]) => T | undefined,
  isLast: (event: T) => boolean,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const events: T[] = [];
    const subscription = Subscription.open({
      protocol: NETLINK_NETFILTER,
      groups: [group],
      netns: fixture.netns,
      onMessage: (message) => {
        const event = decode(message);
        if (event === undefined) return;
        events.push(event);
        if (!isLast(event)) return;
        subscription.close();
        resolve(events);
      },
      onLost: () => reject(new Error('lost')),
      onError: reject,
    });
  });
}

describe('events', () => {
  it('tell of each change of a transaction, then of its generation', async () => {
    using connection = NftablesConnection.open(fixture.netns);
    const nextTransaction = (): Promise<NftablesEvent[]> =>
      collect(NFNLGRP_NFTABLES, decodeEvent, ({ kind }) => kind === 'generation');
    const interval = { key: address('10.0.0.0'), keyEnd: address('10.0.0.255') };
    const made = nextTransaction();
    const batch = new Batch(connection);
    batch.tableAdd({ ...table, comment: 'why' });
    batch.chainAdd(table, { name: 'c' });
    batch.setAdd(table, networks);
    batch.elementsAdd(table, networks, [interval]);
    batch.objectAdd(table, { type: 'counter', name: 'o', data: { packets: 1n, bytes: 2n } });
    batch.ruleAdd(table, 'c', { expressions: [counter()], comment: 'r' });
    batch.commit();
    const action = 'new';
    expect(await made).toMatchObject([
      { kind: 'table', action, table, value: { ...table, comment: 'why' } },
      { kind: 'chain', action, table, value: { name: 'c' } },
      { kind: 'set', action, table, value: networks },
      // nf_tables keeps the borders of an interval, and so it tells of them.
      { kind: 'elements', action, table, set: 'networks', value: [{ key: interval.key }] },
      {
        kind: 'elements',
        action,
        table,
        set: 'networks',
        value: [{ key: address('10.0.1.0'), intervalEnd: true }],
      },
      { kind: 'object', action, table, value: { type: 'counter', data: { packets: 1n } } },
      {
        kind: 'rule',
        action,
        table,
        value: { chain: 'c', comment: 'r', expressions: [counter()] },
      },
      { kind: 'generation', generation: { processId: process.pid } },
    ]);

    const removed = nextTransaction();
    fixture.exec('nft', 'delete', 'table', 'ip', 't');
    const events = await removed;
    expect(new Set(events.map((event) => ('action' in event ? event.action : 'end')))).toEqual(
      new Set(['delete', 'end']),
    );
    expect(new Set(events.map(({ kind }) => kind))).toEqual(
      new Set(['rule', 'set', 'chain', 'object', 'table', 'generation']),
    );
    expect(events.at(-1)).toMatchObject({ generation: { processName: 'nft' } });
  });
});

describe('a trace', () => {
  it('tells which rules a packet met, and what they said', async () => {
    using connection = NftablesConnection.open(fixture.netns);
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const batch = new Batch(connection);
    batch.tableAdd(table);
    const hook = { type: 'filter', hook: 'output', priority: 0 } as const;
    batch.chainAdd(table, { name: 'out', hook });
    batch.ruleAdd(table, 'out', {
      expressions: [loadImmediate(Uint8Array.of(1), 0), storeMeta('nftrace', 0)],
    });
    // A rule that asks for it is what makes connections tracked at all.
    batch.ruleAdd(table, 'out', { expressions: matchCtState(['new'], 0) });
    batch.ruleAdd(table, 'out', { expressions: [verdict(ACCEPT)], comment: 'yes' });
    batch.commit();
    const trace = collect<TraceEvent>(
      NFNLGRP_NFTRACE,
      decodeTrace,
      ({ type, verdict: said }) => type === 'rule' && said?.code === ACCEPT.code,
    );
    fixture.exec('ping', '-c', '1', '-W', '5', '127.0.0.1');
    const events = await trace;
    const yes = ruleList(connection, table).find(({ comment }) => comment === 'yes');
    expect(events.at(-1)).toMatchObject({
      family: 'ip',
      table: 't',
      chain: 'out',
      type: 'rule',
      ruleHandle: yes?.handle,
      verdict: ACCEPT,
    });
    const first = events[0];
    expect(first?.oif).toBe(1);
    expect(first?.id).toBe(events.at(-1)?.id);
    // The header's protocol and destination (RFC 791 section 3.1).
    expect(first?.networkHeader?.[9]).toBe(1);
    expect(first?.networkHeader?.subarray(16, 20)).toEqual(address('127.0.0.1'));
    // The first two octets of an echo request (RFC 792).
    expect(first?.transportHeader?.subarray(0, 2)).toEqual(Uint8Array.of(8, 0));
    expect(first?.connection).toMatchObject({ direction: 'original' });
  });

  it('tells of the chain whose policy it met', async () => {
    using connection = NftablesConnection.open(fixture.netns);
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    const batch = new Batch(connection);
    batch.tableAdd(table);
    const hook = { type: 'filter', hook: 'output', priority: 0, policy: 'drop' } as const;
    batch.chainAdd(table, { name: 'out', hook });
    batch.chainAdd(table, { name: 'inner' });
    const traced = [loadImmediate(Uint8Array.of(1), 0), storeMeta('nftrace', 0)];
    batch.ruleAdd(table, 'out', { expressions: traced });
    batch.ruleAdd(table, 'out', { expressions: [verdict(jumpTo('inner'))] });
    batch.commit();
    const trace = collect<TraceEvent>(
      NFNLGRP_NFTRACE,
      decodeTrace,
      ({ type }) => type === 'policy',
    );
    expect(() => fixture.exec('ping', '-c', '1', '-W', '1', '127.0.0.1')).toThrow();
    const events = await trace;
    expect(events.slice(0, 2).map(({ chain, type }) => [chain, type])).toEqual([
      ['out', 'rule'],
      ['out', 'rule'],
    ]);
    expect(events[1]?.verdict).toEqual(jumpTo('inner'));
    expect(events.at(-1)).toMatchObject({ chain: 'out', type: 'policy', policy: 0 });
  });
});
