import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage, type Message, splitMessages } from '../../../src/netlink/message.ts';
import { ROUTE_GROUPS, type RouteEvent, routeEvent } from '../../../src/netlink/route/event.ts';
import { Subscription } from '../../../src/netlink/subscription.ts';
import { Writer } from '../../../src/netlink/writer.ts';
import { useNetns } from '../netns-fixture.ts';
import { BRIDGE, MAC, PORT, VETH } from './link-witness.ts';
import { run } from './witness.ts';

const fixture = useNetns('event');
const came = new EventTarget();
const stack: Disposable[] = [];
afterEach(() => {
  for (const each of stack.splice(0)) each[Symbol.dispose]();
});

/** What the kernel says from now on. */
function listen(): RouteEvent[] {
  const events: RouteEvent[] = [];
  const subscription = Subscription.open({
    protocol: 0,
    groups: Object.values(ROUTE_GROUPS).flat(),
    netns: fixture.netns,
    onMessage: (message) => {
      const event = routeEvent(message);
      if (event === undefined) return;
      events.push(event);
      came.dispatchEvent(new Event('event'));
    },
    onLost: () => expect.fail('lost'),
  });
  stack.push(subscription);
  return events;
}

/** Waits for an event of which `expected` is true. */
async function until(events: readonly RouteEvent[], expected: object): Promise<void> {
  for (;;) {
    try {
      expect(events).toContainEqual(expect.objectContaining(expected));
      return;
    } catch {
      await once(came, 'event', { signal: AbortSignal.timeout(5000) });
    }
  }
}

/** The command lines, and what the kernel says of each. */
const CASES: readonly (readonly [string, object])[] = [
  [
    VETH,
    { object: 'link', change: 'new', link: expect.objectContaining({ name: 'v0', kind: 'veth' }) },
  ],
  [
    'ip link set v0 up',
    { object: 'link', change: 'new', link: expect.objectContaining({ name: 'v0', up: true }) },
  ],
  [
    'ip addr add 10.9.0.1/24 dev v0',
    { object: 'addr', change: 'new', addr: expect.objectContaining({ linkIndex: 3, label: 'v0' }) },
  ],
  [
    'ip addr add fd00::1/64 nodad dev v0',
    { object: 'addr', change: 'new', addr: expect.objectContaining({ linkIndex: 3, noDad: true }) },
  ],
  [
    'ip route add 192.0.2.0/24 dev v0 proto 199',
    {
      object: 'route',
      change: 'new',
      route: expect.objectContaining({ linkIndex: 3, protocol: 199 }),
    },
  ],
  [
    'ip -6 route add fd00:2::/64 dev v0 proto 199',
    {
      object: 'route',
      change: 'new',
      route: expect.objectContaining({ linkIndex: 3, protocol: 199, priority: 1024 }),
    },
  ],
  [
    `ip neigh add 10.9.0.2 dev v0 lladdr ${MAC}`,
    {
      object: 'neigh',
      change: 'new',
      neigh: expect.objectContaining({ linkIndex: 3, state: 'permanent' }),
    },
  ],
  [
    'ip rule add fwmark 5 lookup 7',
    { object: 'rule', change: 'new', rule: expect.objectContaining({ mark: 5, table: 7 }) },
  ],
  [
    'ip rule del fwmark 5 lookup 7',
    { object: 'rule', change: 'del', rule: expect.objectContaining({ mark: 5, table: 7 }) },
  ],
  [
    'ip neigh del 10.9.0.2 dev v0',
    {
      object: 'neigh',
      change: 'new',
      neigh: expect.objectContaining({ linkIndex: 3, state: 'failed' }),
    },
  ],
  [
    'ip route del 192.0.2.0/24',
    {
      object: 'route',
      change: 'del',
      route: expect.objectContaining({ linkIndex: 3, protocol: 199 }),
    },
  ],
  [
    'ip addr del 10.9.0.1/24 dev v0',
    { object: 'addr', change: 'del', addr: expect.objectContaining({ linkIndex: 3, label: 'v0' }) },
  ],
  [
    BRIDGE,
    {
      object: 'link',
      change: 'new',
      link: expect.objectContaining({ name: 'br0', kind: 'bridge' }),
    },
  ],
  [
    PORT,
    { object: 'link', change: 'new', link: expect.objectContaining({ name: 'v0', master: 4 }) },
  ],
  [
    `bridge fdb add ${MAC} dev v0 master static`,
    {
      object: 'fdb',
      change: 'new',
      entry: expect.objectContaining({ linkIndex: 3, masterIndex: 4, state: 'static' }),
    },
  ],
  [
    `bridge fdb del ${MAC} dev v0 master`,
    {
      object: 'fdb',
      change: 'del',
      entry: expect.objectContaining({ linkIndex: 3, masterIndex: 4 }),
    },
  ],
  [
    'ip link del v0',
    { object: 'link', change: 'del', link: expect.objectContaining({ name: 'v1' }) },
  ],
];

describe('an event', () => {
  it('says what came, changed or went', async () => {
    const events = listen();
    for (const [line, expected] of CASES) {
      events.length = 0;
      run(fixture, line);
      await until(events, expected);
    }
  });

  it('is none where the message is about something else', () => {
    const message = (type: number, family: number): Message => {
      const writer = new Writer();
      encodeMessage(writer, { type, flags: 0, sequence: 0 }, () => {
        writer.u8(family);
        writer.skip(15);
      });
      const [first] = splitMessages(writer.bytes());
      return first ?? expect.fail('no message');
    };
    const [NEWLINK, DELLINK, NEWROUTE, NEWNEIGH, NEWQDISC] = [16, 17, 24, 28, 36];
    const [AF_BRIDGE, AF_MPLS, RTNL_FAMILY_IPMR] = [7, 28, 128];
    expect(routeEvent(message(DELLINK, AF_BRIDGE))).toBeUndefined();
    expect(routeEvent(message(NEWLINK, AF_BRIDGE))).toBeUndefined();
    expect(routeEvent(message(NEWROUTE, RTNL_FAMILY_IPMR))).toBeUndefined();
    expect(routeEvent(message(NEWROUTE, AF_MPLS))).toBeUndefined();
    expect(routeEvent(message(NEWNEIGH, 0))).toBeUndefined();
    expect(routeEvent(message(NEWQDISC, 0))).toBeUndefined();
  });
});
