import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ConntrackConnection, flowFlush } from '../../../src/netlink/conntrack/connection.ts';
import type { Desired, ProxyBackend } from '../../../src/proxy/backend.ts';
import { ConntrackSweeper } from '../../../src/proxy/conntrack/sweeper.ts';
import { IptablesBackend } from '../../../src/proxy/iptables/backend.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import type { Netns } from '../../../src/sys/netns.ts';
import type { Case, Probe, Step } from '../../conformance/proxy/case.ts';
import { CASES } from '../../conformance/proxy/cases.ts';
import { play } from '../../conformance/proxy/network.ts';
import { NODE_ADDRS } from '../../conformance/proxy/settings.ts';
import type { Family } from '../../conformance/proxy/world.ts';
import { Topology } from './topology.ts';

/*
 * The suite against a real kernel: namespaces with pods, another node and somebody outside, and real
 * connections over both families; each way of making rules in its own.
 */

/** A way of making the rules. */
interface Way {
  readonly name: string;
  readonly open: (netns: Netns) => ProxyBackend;
  /** Whether it has sets of addresses, and not only a rule for each port. */
  readonly hasSets: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'nftables', open: (netns) => NftablesBackend.open(netns), hasSets: true },
  ...(['nft', 'legacy'] as const).map((flavour) => ({
    name: `iptables (${flavour})`,
    open: (netns: Netns) => IptablesBackend.open(netns, { flavour }),
    hasSets: false,
  })),
];

/** Each way has a cluster of its own, and its cases follow one another there. */
interface Stage {
  readonly topology: Topology;
  free: Promise<unknown>;
}

const stages = new Map<Way, Stage>();
beforeAll(async () => {
  for (const way of WAYS) {
    const topology = await Topology.build(`suite-${stages.size}`);
    stages.set(way, { topology, free: Promise.resolve() });
  }
});
afterAll(async () => {
  for (const { topology } of stages.values()) await topology[Symbol.asyncDispose]();
});

async function playOn({ open, hasSets }: Way, topology: Topology, { steps }: Case): Promise<void> {
  using netns = topology.netns;
  using backend = open(netns);
  using sweeper = ConntrackSweeper.open(netns, () => NODE_ADDRS);
  const network = {
    async sync(desired: Desired): Promise<void> {
      await backend.sync(desired);
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
    await play(hasSets ? steps : steps.map(withoutSets), network);
  } finally {
    backend.cleanup();
    // The next case has its own idea of where a flow leads.
    using conntrack = ConntrackConnection.open(netns);
    flowFlush(conntrack);
  }
}

function withoutSets({ probes, ...step }: Step): Step {
  const expected = probes.map(({ expect, expectWithoutSets = expect, ...probe }) => ({
    ...probe,
    expect: expectWithoutSets,
  }));
  return { ...step, probes: expected };
}

// Most of the time is spent on waiting for what is dropped, so the ways wait together.
for (const [part, cases] of Object.entries(CASES)) {
  describe.concurrent(part, () => {
    const all = cases.flatMap((each) =>
      WAYS.map((way) => [each.name, way.name, each, way] as const),
    );
    it.each(all)('%s, %s', async (_, __, each, way) => {
      const stage = stages.get(way);
      if (stage === undefined) throw new Error('no stage');
      const turn = stage.free.then(() => playOn(way, stage.topology, each));
      stage.free = turn.catch(() => {});
      await turn;
    });
  });
}
