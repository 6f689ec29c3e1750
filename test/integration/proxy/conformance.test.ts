import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../../../src/cluster/store.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { ConntrackConnection, flowFlush } from '../../../src/netlink/conntrack/connection.ts';
import { ConntrackSweeper } from '../../../src/proxy/conntrack/sweeper.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import type { CaseSettings, Probe } from '../../conformance/proxy/case.ts';
import { CASES } from '../../conformance/proxy/cases.ts';
import { modelSettings, NODE_ADDRS, nodeRules } from '../../conformance/proxy/settings.ts';
import { ADDR, FAMILIES, type Family } from '../../conformance/proxy/world.ts';
import { Topology } from './topology.ts';

/*
 * The suite against a real kernel: namespaces with pods, another node and somebody outside, and real
 * connections over both families.
 */

/** Enough to reach each of four endpoints, but for one run in some millions. */
const ATTEMPTS_MAX = 80;

let topology: Topology;
beforeAll(async () => {
  topology = await Topology.build('suite');
});
afterAll(() => topology[Symbol.asyncDispose]());

async function check(
  { from, fromPort, to, port, protocol = 'TCP', expect: expected, masquerade }: Probe,
  family: Family,
): Promise<void> {
  const what = `${from} to ${to}:${port}/${protocol}, IPv${family}`;
  const connect = () => topology.connect(from, to, port, protocol, family, fromPort);
  if (typeof expected === 'string') {
    const reply = await connect();
    const seen = 'error' in reply ? reply.error : reply.name;
    const wanted = { reject: ['ECONNREFUSED'], drop: ['timeout', 'EPERM'], pass: ['world', 'N1'] };
    expect(wanted[expected], `${what}: ${seen}`).toContain(seen);
    return;
  }
  const reached = new Set<string>();
  for (let attempt = 0; attempt < ATTEMPTS_MAX && reached.size < expected.length; attempt += 1) {
    const reply = await connect();
    if ('error' in reply) throw new Error(`${what}: ${reply.error}`);
    expect(expected, what).toContain(reply.name);
    reached.add(reply.name);
    // Who reaches itself is masqueraded whatever the rule for others is.
    if (masquerade === undefined || (reply.name === from && expected.length > 1)) continue;
    const client = from === 'H' ? ADDR.N1[family] : ADDR[from][family];
    const isClient = reply.seen === client;
    if (from !== 'H') expect(isClient, `${what}: sees ${reply.seen}`).toBe(!masquerade);
  }
  expect([...reached].sort(), what).toEqual([...expected].sort());
}

for (const [part, cases] of Object.entries(CASES)) {
  describe(`nftables, ${part}`, () => {
    it.each(cases.map((each) => [each.name, each] as const))('%s', async (_, { steps }) => {
      using netns = topology.netns;
      using backend = NftablesBackend.open(netns);
      using sweeper = ConntrackSweeper.open(netns, () => NODE_ADDRS);
      const store = new Store();
      let last: CaseSettings = {};
      const table = new RouteTable(modelSettings(last));
      store.subscribe((state, touched) => table.update(state, touched));
      try {
        for (const { objects, probes, settings = {} } of steps) {
          if (JSON.stringify(settings) !== JSON.stringify(last)) {
            table.reset(modelSettings(settings), store);
          }
          last = settings;
          store.replace(objects);
          const serviceCidrs = [...store.serviceCidrs.values()].flatMap(({ cidrs }) =>
            cidrs.map(parsePrefix),
          );
          const node = { ...nodeRules(settings), serviceCidrs };
          const changes = table.takeChanges().routes;
          backend.sync({ node, routes: () => table.routes(), changes });
          sweeper.follow({ changes, node, isApplied: true });
          await sweeper.settled();
          for (const probe of probes) {
            for (const family of FAMILIES) {
              if ((probe.family ?? family) === family) await check(probe, family);
            }
          }
        }
      } finally {
        backend.cleanup();
        // The next case has its own idea of where a flow leads.
        using conntrack = ConntrackConnection.open(netns);
        flowFlush(conntrack);
      }
    });
  });
}
