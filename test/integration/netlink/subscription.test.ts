import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { decodePayload, type Message } from '../../../src/netlink/message.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkPayload } from '../../../src/netlink/route/link/table.ts';
import { linkAdd, linkByName, linkDel, linkSet } from '../../../src/netlink/route/link.ts';
import { Subscription } from '../../../src/netlink/subscription.ts';
import { NetlinkSocket } from '../../../src/sys/netlink-socket.ts';
import { useNetns } from '../netns-fixture.ts';

const RTNLGRP_LINK = 1;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;

const fixture = useNetns('subscribe');
const events = new EventTarget();
let seen: (number | 'lost')[] = [];
const stack: Disposable[] = [];
afterEach(() => {
  for (const each of stack.splice(0)) each[Symbol.dispose]();
  seen = [];
});

const note = (what: number | 'lost'): void => {
  seen.push(what);
  events.dispatchEvent(new Event('seen'));
};
const handlers = {
  onMessage: (message: Message) => note(message.type),
  onLost: () => note('lost'),
};

function subscribe(): Subscription {
  const subscription = Subscription.open({
    protocol: 0,
    groups: [RTNLGRP_LINK],
    netns: fixture.netns,
    ...handlers,
  });
  stack.push(subscription);
  return subscription;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await once(events, 'seen');
}

describe('a subscription', () => {
  it('tells of changes by others, and of those in its namespace alone', async () => {
    subscribe();
    fixture.exec('ip', 'link', 'add', 'here', 'type', 'bridge');
    await until(() => seen.length >= 1);
    expect(new Set(seen)).toEqual(new Set([RTM_NEWLINK]));
    fixture.exec('ip', 'link', 'del', 'here');
    await until(() => seen.includes(RTM_DELLINK));
  });

  it('gives the event loop its turn and still delivers every message in order', async () => {
    const mtus: (number | undefined)[] = [];
    const subscription = Subscription.open({
      protocol: 0,
      groups: [RTNLGRP_LINK],
      netns: fixture.netns,
      onMessage: ({ payload }) => {
        mtus.push(decodePayload(linkPayload, payload).attributes.mtu);
        events.dispatchEvent(new Event('seen'));
      },
      onLost: () => note('lost'),
    });
    stack.push(subscription);
    using connection = RouteConnection.open(fixture.netns);
    const wanted = Array.from({ length: 500 }, (_, index) => 1500 + index);
    const lo = linkByName(connection, 'lo')?.index ?? 0;
    for (const mtu of wanted) linkSet(connection, lo, { mtu });
    await until(() => mtus.includes(wanted.at(-1)));
    expect([...new Set(mtus)]).toEqual(wanted);
    expect(seen).toEqual([]);
  });

  it('says when messages were lost, after those that came before, and goes on', async () => {
    const socket = fixture.netns.run(() => NetlinkSocket.open(0, { receiveBufferBytes: 4096 }));
    stack.push(Subscription.over(socket, { protocol: 0, groups: [RTNLGRP_LINK], ...handlers }));
    using connection = RouteConnection.open(fixture.netns);
    for (let round = 0; round < 20; round += 1) {
      linkAdd(connection, { name: `here${round}`, kind: 'bridge' });
    }
    await until(() => seen.includes('lost'));
    expect(seen.indexOf('lost')).toBeLessThan(20);
    expect(seen.at(-1)).toBe('lost');
    linkDel(connection, linkByName(connection, 'here0')?.index ?? 0);
    await until(() => seen.at(-1) === RTM_DELLINK);
  });

  it('is silent once it is closed, also in the middle of a datagram', async () => {
    const closing = subscribe();
    let calls = 0;
    const other = Subscription.open({
      protocol: 0,
      groups: [RTNLGRP_LINK],
      netns: fixture.netns,
      onMessage: () => {
        calls += 1;
        other.close();
      },
      onLost: () => {},
    });
    stack.push(other);
    closing.close();
    subscribe();
    fixture.exec('ip', 'link', 'add', 'here', 'type', 'bridge');
    fixture.exec('ip', 'link', 'del', 'here');
    await until(() => seen.includes(RTM_DELLINK));
    expect(calls).toBe(1);
  });

  it('says what it cannot join', () => {
    const options = { protocol: 0, groups: [100_000], netns: fixture.netns, ...handlers };
    expect(() => Subscription.open(options)).toThrow(/setsockopt\(.*value 100000\): EINVAL/);
  });
});
