import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { EBUSY, EOPNOTSUPP } from '../../sys/errno.ts';
import { AsyncConnection, QueueFullError } from '../async-connection.ts';
import {
  AnswerLostError,
  Connection,
  DumpInterruptedError,
  NetlinkTimeoutError,
} from '../connection.ts';
import { netlinkErrno } from '../error.ts';
import { Batch } from '../nftables/batch.ts';
import { BatchLostError } from '../nftables/batch-error.ts';
import { NftablesConnection } from '../nftables/connection.ts';
import { elementList, tableList } from '../nftables/list.ts';
import { INET_SERVICE } from '../nftables/types.ts';
import { RouteConnection } from '../route/connection.ts';
import { linkAdd, linkByName, linkList } from '../route/link.ts';
import { Subscription } from '../subscription.ts';
import { FakeKernel } from './kernel.ts';

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTNLGRP_LINK = 1;
const NFNLGRP_NFTABLES = 7;
const NEWSETELEM = (10 << 8) | 12;
const table = { family: 'ip', name: 't' } as const;
const ports = { name: 'ports', key: INET_SERVICE };

function route(kernel: FakeKernel): RouteConnection {
  return RouteConnection.over(Connection.over(kernel.connect(NETLINK_ROUTE)));
}

function nftables(kernel: FakeKernel): NftablesConnection {
  return NftablesConnection.over(Connection.over(kernel.connect(NETLINK_NETFILTER)));
}

function bridge(connection: RouteConnection, name: string): void {
  linkAdd(connection, { name, kind: 'bridge' });
}

/** A table with a set of one element. */
function withSet(kernel: FakeKernel): NftablesConnection {
  const connection = nftables(kernel);
  const batch = new Batch(connection);
  batch.tableAdd(table);
  batch.setAdd(table, ports);
  batch.elementsAdd(table, ports, [{ key: Uint8Array.of(0, 53) }]);
  batch.commit();
  return connection;
}

describe('a request', () => {
  it('is refused as scripted, and only those that are meant', () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    kernel.inject(
      { kind: 'refuse', errno: EBUSY, extack: 'not now' },
      { type: RTM_NEWLINK, after: 1, times: 2 },
    );
    bridge(connection, 'a');
    expect(() => bridge(connection, 'b')).toThrow('add link b of kind bridge: EBUSY: not now');
    expect(linkByName(connection, 'a')?.name).toBe('a');
    expect(kernel.pendingFaults).toBe(1);
    expect(() => bridge(connection, 'b')).toThrow('EBUSY');
    bridge(connection, 'b');
    expect(linkList(connection).map((link) => link.name)).toEqual(['lo', 'a', 'b']);
    expect(kernel.pendingFaults).toBe(0);
  });

  it('whose answer is lost was carried out all the same', () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    kernel.inject({ kind: 'lose-answer' });
    expect(() => bridge(connection, 'a')).toThrow(AnswerLostError);
    expect(linkByName(connection, 'a')?.kind).toBe('bridge');
  });

  it('that is never answered is given up', () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    kernel.inject({ kind: 'no-answer' });
    expect(() => bridge(connection, 'a')).toThrow(NetlinkTimeoutError);
  });

  it('that the fake kernel does not know is refused', () => {
    using connection = Connection.over(new FakeKernel().connect(16));
    const request = { operation: 'ask', type: 20, write: () => {} };
    try {
      connection.execute(request);
      expect.unreachable();
    } catch (error) {
      expect(netlinkErrno(error)).toBe(EOPNOTSUPP);
    }
  });
});

describe('a dump', () => {
  it('is made again when it was interrupted, but not for ever', () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    kernel.inject({ kind: 'interrupt-dump' }, { type: RTM_GETLINK, times: 9 });
    expect(linkList(connection).map((link) => link.name)).toEqual(['lo']);
    expect(kernel.pendingFaults).toBe(0);
    kernel.inject({ kind: 'interrupt-dump' }, { type: RTM_GETLINK, times: 11 });
    expect(() => linkList(connection)).toThrow(DumpInterruptedError);
    expect(kernel.pendingFaults).toBe(1);
  });

  it('comes in several datagrams', () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    for (let index = 0; index < 500; index += 1) bridge(connection, `b${index}`);
    expect(linkList(connection)).toHaveLength(501);
  });
});

describe('a batch', () => {
  it('that ends too early does nothing', () => {
    const kernel = new FakeKernel();
    using connection = nftables(kernel);
    kernel.inject({ kind: 'cut-batch', messages: 2 });
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, ports);
    expect(() => batch.commit()).toThrow(BatchLostError);
    expect(tableList(connection)).toEqual([]);
  });

  it('of which one message is refused does nothing', () => {
    const kernel = new FakeKernel();
    using connection = withSet(kernel);
    kernel.inject({ kind: 'refuse', errno: EBUSY }, { type: NEWSETELEM, after: 1 });
    const batch = new Batch(connection);
    batch.elementsAdd(table, ports, [{ key: Uint8Array.of(0, 80) }]);
    batch.elementsAdd(table, ports, [{ key: Uint8Array.of(0, 81) }]);
    expect(() => batch.commit()).toThrow(/add elements? .*: EBUSY/);
    expect(elementList(connection, table, ports)).toHaveLength(1);
  });

  it('whose answer is lost was applied all the same', () => {
    const kernel = new FakeKernel();
    using connection = withSet(kernel);
    kernel.inject({ kind: 'lose-answer' }, { type: NEWSETELEM });
    const batch = new Batch(connection);
    batch.elementsAdd(table, ports, [{ key: Uint8Array.of(0, 80) }]);
    expect(() => batch.commit()).toThrow(AnswerLostError);
    expect(elementList(connection, table, ports)).toHaveLength(2);
  });
});

describe('a subscription', () => {
  it('hears what others change, and is told when it missed something', async () => {
    const kernel = new FakeKernel();
    using connection = route(kernel);
    const seen: (number | 'lost')[] = [];
    const events = new EventTarget();
    const note = (what: number | 'lost'): void => {
      seen.push(what);
      events.dispatchEvent(new Event('seen'));
    };
    using subscription = Subscription.over(kernel.connect(NETLINK_ROUTE), {
      protocol: NETLINK_ROUTE,
      groups: [RTNLGRP_LINK],
      onMessage: (message) => note(message.type),
      onLost: () => note('lost'),
    });
    bridge(connection, 'a');
    await once(events, 'seen');
    expect(seen).toEqual([RTM_NEWLINK]);
    bridge(connection, 'b');
    kernel.loseEvents(RTNLGRP_LINK);
    await once(events, 'seen');
    // What was queued is not told of: the list that follows has it.
    expect(seen).toEqual([RTM_NEWLINK, 'lost']);
    subscription.close();
    bridge(connection, 'c');
    await new Promise(setImmediate);
    expect(seen).toHaveLength(2);
  });

  it('hears of a transaction, and of the generation after it', async () => {
    const kernel = new FakeKernel();
    const types: number[] = [];
    const done = Promise.withResolvers<void>();
    const NEWGEN = 15;
    using _subscription = Subscription.over(kernel.connect(NETLINK_NETFILTER), {
      protocol: NETLINK_NETFILTER,
      groups: [NFNLGRP_NFTABLES],
      onMessage: ({ type }) => {
        types.push(type & 0xff);
        if ((type & 0xff) === NEWGEN) done.resolve();
      },
      onLost: () => done.reject(new Error('lost')),
    });
    using _connection = withSet(kernel);
    await done.promise;
    expect(types).toEqual([0, 9, 12, NEWGEN]);
  });

  it('ends with an error when its socket fails', async () => {
    const kernel = new FakeKernel();
    const transport = kernel.connect(NETLINK_ROUTE);
    const failed = Promise.withResolvers<unknown>();
    const failing = {
      portId: transport.portId,
      send: (datagram: Uint8Array) => transport.send(datagram),
      sendAside: (datagram: Uint8Array) => transport.sendAside(datagram),
      receive: () => {
        throw new Error('broken');
      },
      join: (group: number) => transport.join(group),
      watch: (ready: () => void) => transport.watch(ready),
      close: () => transport.close(),
      [Symbol.dispose]: () => transport.close(),
    };
    using _subscription = Subscription.over(failing, {
      protocol: NETLINK_ROUTE,
      groups: [RTNLGRP_LINK],
      onMessage: () => {},
      onLost: () => {},
      onError: failed.resolve,
    });
    expect(await failed.promise).toEqual(new Error('broken'));
    expect(() => transport.receive({ wait: false })).toThrow('closed');
  });
});

describe('an asynchronous connection', () => {
  const request = { operation: 'list links', type: RTM_GETLINK, write: () => {} };

  it('makes a dump again like any other', async () => {
    const kernel = new FakeKernel();
    using connection = AsyncConnection.over(kernel.connect(NETLINK_ROUTE));
    kernel.inject({ kind: 'interrupt-dump' }, { type: RTM_GETLINK, times: 2 });
    expect(await connection.dump(request, ({ type }) => type)).toEqual([RTM_NEWLINK]);
    expect(kernel.pendingFaults).toBe(0);
  });

  it('refuses what it has no room for, and does the rest', async () => {
    using connection = AsyncConnection.over(new FakeKernel().connect(NETLINK_ROUTE));
    const asked = Array.from({ length: 1024 }, () => connection.dump(request, ({ type }) => type));
    await expect(connection.dump(request, () => {})).rejects.toThrow(QueueFullError);
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(String))).toEqual(new Set([`${RTM_NEWLINK}`]));
  });

  it('exchanges batches', async () => {
    using connection = AsyncConnection.over(new FakeKernel().connect(NETLINK_NETFILTER));
    expect(await connection.exchange(new Uint8Array())).toEqual(new Map());
    expect(connection.nextSequence()).toBe(1);
  });
});
