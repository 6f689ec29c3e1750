import { afterAll, describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { Connection } from '../../../src/netlink/connection.ts';
import { NetlinkError } from '../../../src/netlink/error.ts';
import { FakeKernel } from '../../../src/netlink/fake/kernel.ts';
import { Batch } from '../../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../../src/netlink/nftables/connection.ts';
import { loadPayload } from '../../../src/netlink/nftables/expression/load.ts';
import { lookup, lookupVerdict } from '../../../src/netlink/nftables/expression/match.ts';
import { masquerade } from '../../../src/netlink/nftables/expression/nat.ts';
import { goTo, jumpTo, verdict } from '../../../src/netlink/nftables/expression/verdict.ts';
import {
  chainList,
  elementList,
  ruleList,
  setList,
  tableList,
} from '../../../src/netlink/nftables/list.ts';
import { INET_SERVICE, IPV4_ADDR, VERDICT } from '../../../src/netlink/nftables/types.ts';
import { addrAdd, addrDel, addrList } from '../../../src/netlink/route/addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  linkAdd,
  linkByName,
  linkDel,
  linkList,
  linkSet,
} from '../../../src/netlink/route/link.ts';
import {
  type Route,
  routeAdd,
  routeAppend,
  routeDel,
  routeList,
  routePrepend,
  routeReplace,
} from '../../../src/netlink/route/route.ts';
import { useNetns } from '../netns-fixture.ts';

/*
 * What the fake kernel answers is what the kernel answers: both are asked the same, in the same
 * order, and every answer is compared.
 */

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;
const fixture = useNetns('fake');

/** A kernel of either kind, with its two connections. */
interface Kernel {
  readonly route: RouteConnection;
  readonly nftables: NftablesConnection;
}

/** One request and what came of it. */
type Step = readonly [name: string, request: (kernel: Kernel) => unknown];

function fake(): Kernel {
  const kernel = new FakeKernel();
  return {
    route: RouteConnection.over(Connection.over(kernel.connect(NETLINK_ROUTE))),
    nftables: NftablesConnection.over(Connection.over(kernel.connect(NETLINK_NETFILTER))),
  };
}

function real(): Kernel {
  return {
    route: RouteConnection.open(fixture.netns),
    nftables: NftablesConnection.open(fixture.netns),
  };
}

/** The answers to all steps, a refusal as its message. */
function answers(kernel: Kernel, steps: readonly Step[]): [string, unknown][] {
  using _route = kernel.route;
  using _nftables = kernel.nftables;
  return steps.map(([name, request]) => {
    try {
      return [name, request(kernel)];
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return [name, `${error.operation}: ${error.errnoName}`];
    }
  });
}

let compared = 0;
afterAll(() => expect(compared).toBeGreaterThan(80));

function compare(steps: readonly Step[]): void {
  expect(answers(fake(), steps)).toEqual(answers(real(), steps));
  compared += steps.length;
}

const index = ({ route }: Kernel, name: string): number => linkByName(route, name)?.index ?? 9999;

/** What does not depend on chance or on the moment. */
function links({ route }: Kernel) {
  return linkList(route).map((link) => ({
    name: link.name,
    index: link.index,
    kind: link.kind,
    mtu: link.mtu,
    up: link.up,
    master: link.master,
    hairpin: link.bridgePort?.hairpin,
    peer: link.kind === 'veth' ? link.linkIndex : undefined,
  }));
}

const addrs = ({ route }: Kernel, linkIndex?: number) =>
  addrList(route, linkIndex)
    .filter((addr) => addr.prefix.addr.family === 4)
    .map((addr) => [addr.linkIndex, `${addr.prefix}`, addr.label, addr.scope]);

const routes = ({ route }: Kernel) =>
  routeList(route, 4)
    .filter((each) => each.table === 254 || each.table === 100)
    .map((each) => [
      `${each.dst}`,
      `${each.gateway ?? '-'}`,
      each.linkIndex,
      each.table,
      each.priority,
      each.scope,
      each.protocol,
      each.mtu,
    ]);

describe('the fake kernel answers as the kernel does', () => {
  it('about links', () => {
    compare([
      ['list lo', links],
      ['add bridge', ({ route }) => linkAdd(route, { name: 'br0', kind: 'bridge' })],
      ['add it again', ({ route }) => linkAdd(route, { name: 'br0', kind: 'bridge' })],
      [
        'add veth',
        ({ route }) =>
          linkAdd(route, { name: 'v0', kind: 'veth', mtu: 1400, peer: { name: 'v1' } }),
      ],
      [
        'add veth whose peer is there',
        ({ route }) => linkAdd(route, { name: 'v2', kind: 'veth', peer: { name: 'v1' } }),
      ],
      ['list all', links],
      ['get by name', ({ route }) => linkByName(route, 'v0')?.index],
      ['get what is not there', ({ route }) => linkByName(route, 'nowhere')],
      [
        'filter by kind',
        ({ route }) => linkList(route, { kind: 'bridge' }).map((each) => each.name),
      ],
      [
        'set master',
        (kernel) => linkSet(kernel.route, index(kernel, 'v0'), { master: index(kernel, 'br0') }),
      ],
      [
        'set hairpin',
        (kernel) => linkSet(kernel.route, index(kernel, 'v0'), { bridgePort: { hairpin: true } }),
      ],
      ['list ports', links],
      [
        'filter by master',
        (kernel) =>
          linkList(kernel.route, { master: index(kernel, 'br0') }).map((each) => each.name),
      ],
      ['set up', (kernel) => linkSet(kernel.route, index(kernel, 'br0'), { up: true })],
      ['rename', (kernel) => linkSet(kernel.route, index(kernel, 'v1'), { name: 'eth7' })],
      [
        'rename to what is there',
        (kernel) => linkSet(kernel.route, index(kernel, 'eth7'), { name: 'br0' }),
      ],
      ['set what is not there', ({ route }) => linkSet(route, 9999, { up: true })],
      ['no master', (kernel) => linkSet(kernel.route, index(kernel, 'v0'), { master: 0 })],
      ['list changed', links],
      ['delete lo', ({ route }) => linkDel(route, 1)],
      ['delete veth', (kernel) => linkDel(kernel.route, index(kernel, 'v0'))],
      ['delete again', ({ route }) => linkDel(route, 9999)],
      ['list the rest', links],
    ]);
  });

  it('about addresses', () => {
    const prefix = parsePrefix('10.9.0.1/24');
    const br0 = (kernel: Kernel): number => index(kernel, 'br0');
    compare([
      ['add bridge', ({ route }) => linkAdd(route, { name: 'br0', kind: 'bridge' })],
      ['add', (kernel) => addrAdd(kernel.route, br0(kernel), prefix)],
      ['add again', (kernel) => addrAdd(kernel.route, br0(kernel), prefix)],
      ['add second', (kernel) => addrAdd(kernel.route, br0(kernel), parsePrefix('10.8.0.1/32'))],
      ['add where there is no link', ({ route }) => addrAdd(route, 9999, prefix)],
      ['list', addrs],
      ['list of a link', (kernel) => addrs(kernel, br0(kernel))],
      ['list of lo', (kernel) => addrs(kernel, 1)],
      ['delete', (kernel) => addrDel(kernel.route, br0(kernel), prefix)],
      ['delete again', (kernel) => addrDel(kernel.route, br0(kernel), prefix)],
      ['list the rest', addrs],
      ['delete link', (kernel) => linkDel(kernel.route, br0(kernel))],
      ['list none', addrs],
    ]);
  });

  it('about routes', () => {
    const v0 = (kernel: Kernel): number => index(kernel, 'v0');
    const dst = parsePrefix('192.0.2.0/24');
    const via = (last: number): Route => ({ dst, gateway: parseAddr(`10.9.0.${last}`) });
    compare([
      [
        'add veth',
        ({ route }) => linkAdd(route, { name: 'v0', kind: 'veth', peer: { name: 'v1' } }),
      ],
      ['add address', (kernel) => addrAdd(kernel.route, v0(kernel), parsePrefix('10.9.0.1/24'))],
      ['no route before it is up', routes],
      [
        'route by a link that is down',
        (kernel) => routeAdd(kernel.route, { dst, linkIndex: v0(kernel) }),
      ],
      ['route by no link', ({ route }) => routeAdd(route, { dst, linkIndex: 9999 })],
      ['up', (kernel) => linkSet(kernel.route, v0(kernel), { up: true })],
      ['peer up', (kernel) => linkSet(kernel.route, index(kernel, 'v1'), { up: true })],
      ['connected', routes],
      ['add', ({ route }) => routeAdd(route, via(2))],
      ['add again', ({ route }) => routeAdd(route, via(2))],
      [
        'add by a stranger',
        ({ route }) => routeAdd(route, { ...via(2), gateway: parseAddr('172.16.0.1') }),
      ],
      ['add with a metric', ({ route }) => routeAdd(route, { ...via(3), priority: 50, mtu: 1300 })],
      ['list', routes],
      ['replace', ({ route }) => routeReplace(route, via(9))],
      ['append', ({ route }) => routeAppend(route, { ...via(4), priority: 7 })],
      ['prepend', ({ route }) => routePrepend(route, { ...via(6), priority: 7 })],
      ['add to another table', ({ route }) => routeAdd(route, { ...via(5), table: 100 })],
      ['list more', routes],
      [
        'filter by table',
        ({ route }) => routeList(route, 4, { table: 100 }).map((each) => `${each.dst}`),
      ],
      ['delete by another gateway', ({ route }) => routeDel(route, via(2))],
      ['delete', ({ route }) => routeDel(route, via(9))],
      ['list the rest', routes],
      ['address gone', (kernel) => addrDel(kernel.route, v0(kernel), parsePrefix('10.9.0.1/24'))],
      ['no connected route', (kernel) => routes(kernel).filter(([to]) => to === '10.9.0.0/24')],
      ['link gone', (kernel) => linkDel(kernel.route, v0(kernel))],
      ['list none', routes],
    ]);
  });

  it('about nftables', () => {
    const table = { family: 'ip', name: 't' } as const;
    const ports = { name: 'ports', key: INET_SERVICE };
    const where = { name: 'where', key: INET_SERVICE, data: IPV4_ADDR };
    const ways = { name: 'ways', key: INET_SERVICE, data: VERDICT };
    const port = (number: number): Uint8Array => Uint8Array.of(number >> 8, number & 255);
    const at = (number: number, last: number) => ({
      key: port(number),
      data: { value: Uint8Array.of(10, 0, 0, last) },
    });
    const commit =
      (fill: (batch: Batch) => void) =>
      ({ nftables }: Kernel): void => {
        const batch = new Batch(nftables);
        fill(batch);
        batch.commit();
      };
    const all = ({ nftables }: Kernel) => ({
      tables: tableList(nftables).map((each) => `${each.family} ${each.name}`),
      chains: chainList(nftables, table).map((each) => [
        each.name,
        each.hook?.type,
        each.hook?.priority,
      ]),
      rules: ruleList(nftables, table).map((each) => [
        each.chain,
        each.comment,
        each.expressions.map((expression) => expression.name),
      ]),
      sets: setList(nftables, table).map((each) => [
        each.name,
        each.key.name,
        each.data?.name,
        each.comment,
      ]),
    });
    const elements =
      (set: typeof ports) =>
      ({ nftables }: Kernel) =>
        elementList(nftables, table, set)
          .map(({ key, data }) => ({ key: Buffer.from(key).toString('hex'), data }))
          .toSorted((a, b) => a.key.localeCompare(b.key));
    const rule = (comment: string, ...expressions: ReturnType<typeof lookup>[]) => ({
      expressions,
      comment,
    });
    compare([
      ['list nothing', all],
      [
        'add',
        commit((batch) => {
          batch.tableAdd({ ...table, comment: 'a table' });
          batch.setAdd(table, { ...ports, comment: 'a set' });
          batch.setAdd(table, where);
          batch.setAdd(table, ways);
          batch.chainAdd(table, { name: 'inner', comment: 'c' });
          batch.chainAdd(table, {
            name: 'post',
            hook: { type: 'nat', hook: 'postrouting', priority: 100 },
          });
          batch.ruleAdd(
            table,
            'inner',
            rule('masquerade', loadPayload('transport', 2, 2, 0), lookup('ports', 0), masquerade()),
          );
          batch.ruleAdd(table, 'post', rule('jump', verdict(jumpTo('inner'))));
          batch.ruleAdd(
            table,
            'post',
            rule('map', loadPayload('transport', 2, 2, 0), lookupVerdict('ways', 0)),
          );
          batch.ruleInsert(table, 'post', rule('first', verdict({ code: 1 })));
          batch.elementsAdd(table, ports, [{ key: port(53) }, { key: port(80) }]);
          batch.elementsAdd(table, where, [at(53, 1), at(80, 2)]);
          batch.elementsAdd(table, ways, [{ key: port(80), data: { verdict: goTo('inner') } }]);
        }),
      ],
      ['list all', all],
      ['ports', elements(ports)],
      ['where', elements(where)],
      ['ways', elements(ways)],
      ['add again', commit((batch) => batch.elementsAdd(table, ports, [{ key: port(53) }]))],
      ['create again', commit((batch) => batch.elementsCreate(table, ports, [{ key: port(53) }]))],
      ['add with other data', commit((batch) => batch.elementsAdd(table, where, [at(53, 9)]))],
      [
        'delete what is not there',
        commit((batch) => batch.elementsDel(table, ports, [{ key: port(1) }])),
      ],
      [
        'half of it is wrong',
        commit((batch) => {
          batch.elementsAdd(table, ports, [{ key: port(443) }]);
          batch.ruleAdd(table, 'inner', rule('nowhere', lookup('nowhere', 0)));
        }),
      ],
      ['nothing was done', elements(ports)],
      [
        'rule in no chain',
        commit((batch) => batch.ruleAdd(table, 'nowhere', rule('r', masquerade()))),
      ],
      [
        'rule to no chain',
        commit((batch) => batch.ruleAdd(table, 'inner', rule('r', verdict(jumpTo('nowhere'))))),
      ],
      [
        'element to no chain',
        commit((batch) =>
          batch.elementsAdd(table, ways, [{ key: port(1), data: { verdict: goTo('nowhere') } }]),
        ),
      ],
      [
        'in no table',
        commit((batch) => batch.chainAdd({ family: 'ip6', name: 't' }, { name: 'c' })),
      ],
      ['delete a chain that is used', commit((batch) => batch.chainDel(table, 'inner'))],
      ['delete a set that is used', commit((batch) => batch.setDel(table, 'ports'))],
      ['delete a chain that is not there', commit((batch) => batch.chainDel(table, 'nowhere'))],
      ['delete a set that is not there', commit((batch) => batch.setDel(table, 'nowhere'))],
      [
        'swap elements',
        commit((batch) => {
          batch.elementsDel(table, where, [at(53, 1)]);
          batch.elementsAdd(table, where, [at(53, 9)]);
        }),
      ],
      ['where now', elements(where)],
      [
        'flush and delete',
        commit((batch) => {
          batch.chainFlush(table, 'post');
          batch.setFlush(table, 'ways');
          batch.chainDel(table, 'inner');
          batch.setDel(table, 'ways');
          batch.setDel(table, 'ports');
        }),
      ],
      ['list the rest', all],
      ['delete table', commit((batch) => batch.tableDel(table))],
      ['delete again', commit((batch) => batch.tableDel(table))],
      ['list none', all],
    ]);
  });
});
