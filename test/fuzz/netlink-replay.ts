import { PodwireError } from '../../src/errors.ts';
import { Mac } from '../../src/ipaddr/mac.ts';
import { parseAddr } from '../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../src/ipaddr/prefix.ts';
import { Connection } from '../../src/netlink/connection.ts';
import { Batch } from '../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { loadPayload } from '../../src/netlink/nftables/expression/load.ts';
import { lookup, lookupVerdict } from '../../src/netlink/nftables/expression/match.ts';
import { masquerade } from '../../src/netlink/nftables/expression/nat.ts';
import { goTo } from '../../src/netlink/nftables/expression/verdict.ts';
import {
  chainList,
  elementList,
  ruleList,
  setList,
  tableList,
} from '../../src/netlink/nftables/list.ts';
import { INET_SERVICE, VERDICT } from '../../src/netlink/nftables/types.ts';
import { addrAdd, addrList } from '../../src/netlink/route/addr.ts';
import { RouteConnection } from '../../src/netlink/route/connection.ts';
import { fdbList } from '../../src/netlink/route/fdb.ts';
import { linkAdd, linkByName, linkList, linkSet } from '../../src/netlink/route/link.ts';
import { neighAdd, neighList } from '../../src/netlink/route/neigh.ts';
import { routeAdd, routeList } from '../../src/netlink/route/route.ts';
import { ruleList as routeRuleList } from '../../src/netlink/route/rule.ts';
import { qdiscList } from '../../src/netlink/tc/qdisc.ts';
import type { Transport } from '../../src/netlink/transport.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { Netns } from '../../src/sys/netns.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

/*
 * What the kernel really said, said again with something wrong in it: every verb must give a result or
 * throw an error of ours, and never anything else.
 */

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;
const TIMEOUT_MS = 1000;
const table = { family: 'ip', name: 'fuzz' } as const;
const ports = { name: 'ports', key: INET_SERVICE };
const ways = { name: 'ways', key: INET_SERVICE, data: VERDICT };

/** A verb, and the datagrams that the kernel answered it with. */
interface Recording {
  readonly name: string;
  readonly ask: (connection: Connection) => unknown;
  readonly datagrams: readonly Uint8Array[];
}

/** The verbs that are asked: lists, single objects and a refusal. */
const QUESTIONS: readonly Omit<Recording, 'datagrams'>[] = [
  ask('linkList', linkList),
  ask('linkByName', (connection) => linkByName(connection, 'br0')),
  ask('addrList', addrList),
  ask('routeList 4', (connection) => routeList(connection, 4)),
  ask('routeList 6', (connection) => routeList(connection, 6)),
  ask('neighList', neighList),
  ask('fdbList', fdbList),
  ask('ruleList 4', (connection) => routeRuleList(connection, 4)),
  ask('qdiscList', qdiscList),
  ask('linkAdd, refused', (connection) =>
    linkAdd(connection, { name: 'a-name-too-long-for-a-link', kind: 'bridge' }),
  ),
  askNftables('tableList', (connection) => tableList(connection)),
  askNftables('chainList', (connection) => chainList(connection, table)),
  askNftables('ruleList', (connection) => ruleList(connection, table)),
  askNftables('setList', (connection) => setList(connection, table)),
  askNftables('elementList', (connection) => elementList(connection, table, ports)),
  askNftables('elementList of verdicts', (connection) => elementList(connection, table, ways)),
  askNftables('a batch, refused', (connection) => {
    const batch = new Batch(connection);
    batch.setDel(table, 'nowhere');
    batch.commit();
  }),
];

function ask(name: string, work: (connection: RouteConnection) => unknown) {
  return { name, ask: (connection: Connection) => work(RouteConnection.over(connection)) };
}

function askNftables(name: string, work: (connection: NftablesConnection) => unknown) {
  return {
    name,
    ask: (connection: Connection) => work(NftablesConnection.over(connection)),
    isNftables: true,
  };
}

/** Makes some of everything in `netns`, asks for it, and keeps what the kernel answers. */
export function record(netns: Netns): Recording[] {
  fill(netns);
  return QUESTIONS.map((question) => {
    const protocol = 'isNftables' in question ? NETLINK_NETFILTER : NETLINK_ROUTE;
    const socket = netns.run(() => NetlinkSocket.open(protocol, { timeoutMs: TIMEOUT_MS }));
    const datagrams: Uint8Array[] = [];
    using connection = Connection.over({
      ...transportOver(() => {
        const received = socket.receive({ wait: true });
        if (received !== undefined) datagrams.push(received.slice());
        return received;
      }),
      send: (datagram) => socket.send(datagram),
      close: () => socket.close(),
    });
    outcome(() => question.ask(connection));
    if (datagrams.length === 0) throw new Error(`${question.name}: the kernel said nothing`);
    return { ...question, datagrams };
  });
}

/** Asks again, with an answer that is wrong somewhere. Throws what is no error of ours. */
export function replay(random: Random, recording: Recording): 'result' | 'error' {
  const wrong = random.below(recording.datagrams.length);
  const queue = recording.datagrams.map((datagram, index) =>
    index === wrong ? mutate(random, datagram) : datagram,
  );
  using connection = Connection.over(transportOver(() => queue.shift()));
  return outcome(() => recording.ask(connection));
}

function outcome(work: () => unknown): 'result' | 'error' {
  try {
    work();
    return 'result';
  } catch (error) {
    if (error instanceof PodwireError) return 'error';
    throw error;
  }
}

function transportOver(receive: () => Uint8Array | undefined): Transport {
  return {
    portId: 1,
    receive,
    send: () => {},
    sendAside: () => {},
    join: () => {},
    watch: () => ({ [Symbol.dispose]: () => {} }),
    close: () => {},
    [Symbol.dispose]: () => {},
  };
}

function fill(netns: Netns): void {
  using route = RouteConnection.open(netns);
  linkAdd(route, { name: 'br0', kind: 'bridge' });
  linkAdd(route, { name: 'v0', kind: 'veth', peer: { name: 'v1' } });
  const index = (name: string): number => linkByName(route, name)?.index ?? 0;
  linkSet(route, index('v0'), { master: index('br0'), up: true });
  linkSet(route, index('br0'), { up: true });
  addrAdd(route, index('br0'), parsePrefix('10.9.0.1/24'));
  addrAdd(route, index('br0'), parsePrefix('fd00:9::1/64'), { noDad: true });
  routeAdd(route, { dst: parsePrefix('192.0.2.0/24'), gateway: parseAddr('10.9.0.2'), mtu: 1300 });
  const lladdr = Mac.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, 9));
  neighAdd(route, { linkIndex: index('br0'), dst: parseAddr('10.9.0.9'), lladdr });
  using nftables = NftablesConnection.open(netns);
  const batch = new Batch(nftables);
  batch.tableAdd({ ...table, comment: 'a table' });
  batch.setAdd(table, { ...ports, comment: 'a set' });
  batch.setAdd(table, ways);
  batch.chainAdd(table, { name: 'inner', comment: 'a chain' });
  batch.chainAdd(table, {
    name: 'post',
    hook: { type: 'nat', hook: 'postrouting', priority: 100 },
  });
  const port = loadPayload('transport', 2, 2, 0);
  batch.ruleAdd(table, 'inner', {
    expressions: [port, lookup('ports', 0), masquerade()],
    comment: 'r',
  });
  batch.ruleAdd(table, 'post', { expressions: [port, lookupVerdict('ways', 0)] });
  batch.elementsAdd(table, ports, [{ key: Uint8Array.of(0, 53) }, { key: Uint8Array.of(0, 80) }]);
  batch.elementsAdd(table, ways, [{ key: Uint8Array.of(0, 80), data: { verdict: goTo('inner') } }]);
  batch.commit();
}
