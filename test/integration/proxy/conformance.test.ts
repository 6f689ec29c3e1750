import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ConntrackConnection, flowFlush } from '../../../src/netlink/conntrack/connection.ts';
import type { Desired } from '../../../src/proxy/backend.ts';
import { ConntrackSweeper } from '../../../src/proxy/conntrack/sweeper.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import type { Probe } from '../../conformance/proxy/case.ts';
import { CASES } from '../../conformance/proxy/cases.ts';
import { play } from '../../conformance/proxy/network.ts';
import { NODE_ADDRS } from '../../conformance/proxy/settings.ts';
import type { Family } from '../../conformance/proxy/world.ts';
import { Topology } from './topology.ts';

/*
 * The suite against a real kernel: namespaces with pods, another node and somebody outside, and real
 * connections over both families.
 */

let topology: Topology;
beforeAll(async () => {
  topology = await Topology.build('suite');
});
afterAll(() => topology[Symbol.asyncDispose]());

for (const [part, cases] of Object.entries(CASES)) {
  describe(`nftables, ${part}`, () => {
    it.each(cases.map((each) => [each.name, each] as const))('%s', async (_, { steps }) => {
      using netns = topology.netns;
      using backend = NftablesBackend.open(netns);
      using sweeper = ConntrackSweeper.open(netns, () => NODE_ADDRS);
      const network = {
        async sync(desired: Desired): Promise<void> {
          backend.sync(desired);
          sweeper.follow({ ...desired, isApplied: true });
          await sweeper.settled();
        },
        connect: (probe: Probe, family: Family) => {
          const { from, to, port, protocol = 'TCP', fromPort } = probe;
          return topology.connect(from, to, port, protocol, family, fromPort);
        },
        idle: (ms: number) => setTimeout(ms),
      };
      try {
        await play(steps, network);
      } finally {
        backend.cleanup();
        // The next case has its own idea of where a flow leads.
        using conntrack = ConntrackConnection.open(netns);
        flowFlush(conntrack);
      }
    });
  });
}
