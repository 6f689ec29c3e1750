import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Addr } from '../../../src/ipaddr/addr.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import {
  ConntrackConnection,
  flowAdd,
  flowFlush,
  flowList,
} from '../../../src/netlink/conntrack/connection.ts';
import type { Tuple } from '../../../src/netlink/conntrack/tuple.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import {
  ADDR,
  FAMILIES,
  type Family,
  NODE_PORT,
  outerService,
  READY,
  SERVICE_PORT,
  slices,
  TARGET_PORT,
} from '../../conformance/proxy/world.ts';
import { useNetns } from '../netns-fixture.ts';
import { SweptProxy } from './swept-proxy.ts';
import { Topology } from './topology.ts';

const UDP = 17;
const TCP = 6;
const web = outerService({
  ports: [{ name: '', protocol: 'UDP', port: SERVICE_PORT, nodePort: NODE_PORT }],
});
const udpSlices = (pods: Parameters<typeof slices>[0]) => slices(pods, { protocol: 'UDP' });

const tuple = (
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
  protocol = UDP,
): Tuple => ({
  source: parseAddr(source),
  destination: parseAddr(destination),
  protocol,
  sourcePort,
  destinationPort,
});

const reversed = (of: Tuple): Tuple => ({
  source: of.destination,
  destination: of.source,
  protocol: of.protocol,
  sourcePort: of.destinationPort,
  destinationPort: of.sourcePort,
});

describe('a client that keeps sending', () => {
  let topology: Topology;
  beforeAll(async () => {
    topology = await Topology.build('flows');
  });
  afterAll(() => topology[Symbol.asyncDispose]());
  beforeEach(() => {
    using netns = topology.netns;
    using conntrack = ConntrackConnection.open(netns);
    flowFlush(conntrack);
  });
  afterEach(() => {
    using netns = topology.netns;
    using backend = NftablesBackend.open(netns);
    backend.cleanup();
  });

  const WAYS = [
    ['a', 'vip', SERVICE_PORT],
    ['X', 'lb', SERVICE_PORT],
    ['X', 'external', SERVICE_PORT],
    ['X', 'N1', NODE_PORT],
    ['H', 'vip', SERVICE_PORT],
  ] as const;

  for (const family of FAMILIES) {
    it.each(WAYS)(
      `IPv${family}, from %s to %s, reaches the next endpoint`,
      async (from, to, port) => {
        using netns = topology.netns;
        using proxy = new SweptProxy(netns);
        const seen: string[] = [];
        let isOn = true;
        const send = async (): Promise<string> => {
          const reply = await topology.connect(from, to, port, 'UDP', family, 40_100);
          return 'error' in reply ? reply.error : reply.name;
        };
        proxy.sync([web, ...udpSlices({ b: READY })]);
        expect(await send()).toBe('b');
        const client = (async () => {
          while (isOn) seen.push(await send());
        })();
        proxy.sync([web, ...udpSlices({ c: READY })]);
        await proxy.sweeper.settled();
        // The packet that is on its way now may be an old one; the one after it is not.
        const sent = seen.length;
        while (seen.length < sent + 3) await setImmediate();
        isOn = false;
        await client;
        expect(new Set(seen.slice(sent + 1))).toEqual(new Set(['c']));
        expect(proxy.errors).toEqual([]);
      },
    );
  }

  it('keeps its endpoint when the proxy starts again and nothing changed', async () => {
    using netns = topology.netns;
    using conntrack = ConntrackConnection.open(netns);
    const objects = [web, ...udpSlices({ b: READY, c: READY })];
    const ids = (): number[] => flowList(conntrack, { family: 4 }).map(({ id }) => id);
    {
      using proxy = new SweptProxy(netns);
      proxy.sync(objects);
      await proxy.sweeper.settled();
    }
    const first = await topology.connect('X', 'lb', SERVICE_PORT, 'UDP', 4, 40_101);
    const before = ids();
    expect(before.length).toBeGreaterThan(0);
    using again = new SweptProxy(netns);
    again.sync(objects);
    await again.sweeper.settled();
    expect(again.sweeps.map(({ deleted }) => deleted)).toEqual([0, 0]);
    expect(ids()).toEqual(before);
    expect(await topology.connect('X', 'lb', SERVICE_PORT, 'UDP', 4, 40_101)).toEqual(first);
  });
});

describe('flows to a Service that was deleted while no proxy ran', () => {
  let topology: Topology;
  beforeAll(async () => {
    topology = await Topology.build('departed');
  });
  afterAll(() => topology[Symbol.asyncDispose]());

  it.each([
    ['', web],
    [', of one that remembers clients', { ...web, affinitySeconds: 60 }],
    [', of one with policy Local', { ...web, externalTrafficPolicy: 'Local' }],
  ] as const)('are forgotten at the start%s', async (_, service) => {
    using netns = topology.netns;
    using conntrack = ConntrackConnection.open(netns);
    flowFlush(conntrack);
    const send = (from: 'a' | 'X', to: 'vip' | 'lb' | 'N1', family: Family) => {
      const port = to === 'N1' ? NODE_PORT : SERVICE_PORT;
      return topology.connect(from, to, port, 'UDP', family, 40_102);
    };
    const sendAll = async (): Promise<string[]> => {
      const replies = [];
      for (const family of FAMILIES) {
        for (const [from, to] of [
          ['a', 'vip'],
          ['X', 'lb'],
          ['X', 'N1'],
        ] as const) {
          const reply = await send(from, to, family);
          replies.push('error' in reply ? reply.error : reply.name);
        }
      }
      return replies;
    };
    const foreign = tuple(ADDR.a[4], 1, ADDR.vip[4], 81);
    flowAdd(conntrack, { original: foreign, reply: reversed(foreign), timeoutSeconds: 600 });
    {
      using proxy = new SweptProxy(netns);
      proxy.sync([service, ...udpSlices({ b: READY })]);
      expect(await sendAll()).toEqual(Array.from({ length: 6 }, () => 'b'));
    }
    using again = new SweptProxy(netns);
    again.sync(udpSlices({ b: READY }));
    await again.sweeper.settled();
    expect(again.sweeps).toMatchObject([{ deleted: 3 }, { deleted: 3 }]);
    expect(flowList(conntrack).map(({ original }) => original.destinationPort)).toContain(81);
    const passed = ['world', 'world', 'N1'];
    expect(await sendAll()).toEqual([...passed, ...passed]);
  });
});

describe('a sweep', () => {
  const fixture = useNetns('sweep');
  const serving = [web, ...udpSlices({ b: READY })];

  /** A flow to the Service that leads to an endpoint which is gone. */
  const stale = (family: Family, sourcePort: number) => {
    const original = tuple(ADDR.X[family], sourcePort, ADDR.lb[family], SERVICE_PORT);
    const destination = { address: parseAddr(ADDR.c[family]), port: TARGET_PORT };
    return { original, reply: reversed(original), timeoutSeconds: 600, nat: { destination } };
  };

  it('leaves alone whatever is not to a Service over UDP', async () => {
    using conntrack = ConntrackConnection.open(fixture.netns);
    const foreign = FAMILIES.flatMap((family) => [
      // The node port's number at somebody else's address, and at an address it is not served on.
      tuple(ADDR.a[family], 1, ADDR.X[family], NODE_PORT),
      tuple(ADDR.X[family], 2, ADDR.other[family], NODE_PORT),
      // Another port of the cluster IP, another protocol, and an endpoint itself.
      tuple(ADDR.a[family], 3, ADDR.vip[family], 81),
      tuple(ADDR.a[family], 4, ADDR.vip[family], SERVICE_PORT, TCP),
      tuple(ADDR.a[family], 5, ADDR.c[family], TARGET_PORT),
    ]);
    for (const original of foreign) {
      flowAdd(conntrack, { original, reply: reversed(original), timeoutSeconds: 600 });
    }
    for (const family of FAMILIES) {
      flowAdd(conntrack, stale(family, 6));
      // Its own network, whatever its addresses are.
      flowAdd(conntrack, { ...stale(family, 7), zone: 7 });
    }
    using proxy = new SweptProxy(fixture.netns);
    proxy.sync(serving);
    await proxy.sweeper.settled();
    expect(proxy.sweeps).toMatchObject([
      { family: 4, deleted: 1 },
      { family: 6, deleted: 1 },
    ]);
    const left = flowList(conntrack).map(({ original }) => original.sourcePort ?? 0);
    expect(left.sort((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7, 7]);
  });

  it('looks at SCTP as at UDP, and at each protocol by its own Services', async () => {
    using conntrack = ConntrackConnection.open(fixture.netns);
    const SCTP = 132;
    const sctp = outerService({ ports: [{ name: '', protocol: 'SCTP', port: SERVICE_PORT }] });
    const nat = { destination: { address: parseAddr(ADDR.c[4]), port: TARGET_PORT } };
    for (const [port, protocol, to] of [
      [1, SCTP, ADDR.vip[4]],
      [2, UDP, ADDR.vip[4]],
      [3, SCTP, ADDR.unused[4]],
    ] as const) {
      const original = tuple(ADDR.X[4], port, to, SERVICE_PORT, protocol);
      flowAdd(conntrack, { original, reply: reversed(original), timeoutSeconds: 600, nat });
    }
    using proxy = new SweptProxy(fixture.netns);
    proxy.sync([sctp, ...slices({ c: READY }, { protocol: 'SCTP' })]);
    await proxy.sweeper.settled();
    expect(flowList(conntrack)).toHaveLength(3);
    proxy.sync([sctp, ...slices({ d: READY }, { protocol: 'SCTP' })]);
    await proxy.sweeper.settled();
    const left = flowList(conntrack).map(({ original }) => original.sourcePort ?? 0);
    expect(left.sort((a, b) => a - b)).toEqual([2, 3]);
    expect(proxy.sweeps.filter(({ deleted }) => deleted > 0)).toMatchObject([
      { protocol: 'SCTP', family: 4, deleted: 1 },
    ]);
  });

  it('finds the stale ones among a hundred thousand, and others get their turn meanwhile', async () => {
    using conntrack = ConntrackConnection.open(fixture.netns);
    const source = (index: number) => Addr.v4(0x0a00_0000 + index);
    for (let index = 0; index < 100_000; index += 1) {
      const original: Tuple = {
        ...tuple(ADDR.X[4], 1000, '192.0.2.53', 53),
        source: source(index),
      };
      flowAdd(conntrack, { original, reply: reversed(original), timeoutSeconds: 600 });
    }
    for (let port = 1; port <= 500; port += 1) flowAdd(conntrack, stale(4, port));
    using proxy = new SweptProxy(fixture.netns);
    proxy.sync(serving);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 1);
    await proxy.sweeper.settled();
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(5);
    expect(proxy.sweeps[0]).toMatchObject({ family: 4, deleted: 500 });
    expect(
      flowList(conntrack, { family: 4, original: { destination: parseAddr(ADDR.lb[4]) } }),
    ).toEqual([]);
  });

  it('is one for many changes', async () => {
    using proxy = new SweptProxy(fixture.netns);
    for (let change = 0; change < 50; change += 1) {
      proxy.sync([web, ...udpSlices(change % 2 === 0 ? { b: READY } : { c: READY })]);
    }
    await proxy.sweeper.settled();
    expect(proxy.sweeps).toHaveLength(2);
  });

  it('waits while the kernel does not follow the routes', async () => {
    using conntrack = ConntrackConnection.open(fixture.netns);
    flowAdd(conntrack, stale(4, 1));
    using proxy = new SweptProxy(fixture.netns);
    proxy.sync(serving, false);
    {
      // To this one the flow is right. Its sweep is called for later, so the other would be done first.
      using control = new SweptProxy(fixture.netns);
      control.sync([web, ...udpSlices({ c: READY })]);
      await control.sweeper.settled();
      expect(control.sweeps).toMatchObject([{ deleted: 0 }, { deleted: 0 }]);
    }
    expect(proxy.sweeps).toEqual([]);
    proxy.sync(serving);
    await proxy.sweeper.settled();
    expect(proxy.sweeps[0]).toMatchObject({ deleted: 1 });
  });
});
