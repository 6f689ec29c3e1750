import { expect } from 'vitest';
import { type ClusterState, Store } from '../../../src/cluster/store.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import type { Desired } from '../../../src/proxy/backend.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import type { CaseSettings, Probe, Step } from './case.ts';
import { modelSettings, nodeRules } from './settings.ts';
import { ADDR, FAMILIES, type Family } from './world.ts';

/** What a connection came to: who answered and whom it saw, or the code of the error. */
export type Reply = { readonly name: string; readonly seen: string } | { readonly error: string };

/** A network with a proxy on N1, in which cases are played. */
export interface Network {
  /** Brings the proxy there, the flows of before too. */
  sync(desired: Desired): Promise<void>;
  connect(probe: Probe, family: Family): Promise<Reply>;
  /** Nothing happens for a time. */
  idle(ms: number): Promise<void>;
}

/** Enough to reach each of four endpoints, but for one run in some millions. */
const ATTEMPTS_MAX = 80;
/** Connections of a client that must all reach one of four endpoints. */
const STICKY_CONNECTIONS = 8;
/** A client that is forgotten reaches another endpoint in three of four rounds. */
const FORGETTING_ROUNDS_MAX = 20;
const KEEPING_ROUNDS = 3;

/** Plays a case in a network, in both families. */
export async function play(steps: readonly Step[], network: Network): Promise<void> {
  const store = new Store();
  let last: CaseSettings = {};
  const table = new RouteTable(modelSettings(last));
  store.subscribe((state: ClusterState, touched) => table.update(state, touched));
  const stuck: Stuck = new Map();
  for (const { objects, probes, settings = {} } of steps) {
    if (JSON.stringify(settings) !== JSON.stringify(last)) {
      table.reset(modelSettings(settings), store);
    }
    last = settings;
    store.replace(objects);
    const cidrs = [...store.serviceCidrs.values()].flatMap((each) => each.cidrs);
    const node = { ...nodeRules(settings), serviceCidrs: cidrs.map((text) => parsePrefix(text)) };
    const changes = table.takeChanges().routes;
    await network.sync({ node, routes: () => table.routes(), changes });
    for (const probe of probes) {
      for (const family of FAMILIES) {
        if ((probe.family ?? family) === family) await check(network, probe, family, stuck);
      }
    }
  }
}

/** The endpoint a client stays with, by its name in `sticky` and the family. */
type Stuck = Map<string, string>;

async function check(network: Network, probe: Probe, family: Family, stuck: Stuck): Promise<void> {
  const { from, to, port, protocol = 'TCP', expect: expected, masquerade, sticky } = probe;
  const what = `${from} to ${to}:${port}/${protocol}, IPv${family}`;
  const connect = () => network.connect(probe, family);
  if (typeof expected === 'string') {
    const reply = await connect();
    const seen = 'error' in reply ? reply.error : reply.name;
    const wanted = { reject: ['ECONNREFUSED'], drop: ['timeout', 'EPERM'], pass: ['world', 'N1'] };
    expect(wanted[expected], `${what}: ${seen}`).toContain(seen);
    return;
  }
  const reach = async () => {
    const reply = await connect();
    if ('error' in reply) throw new Error(`${what}: ${reply.error}`);
    expect(expected, what).toContain(reply.name);
    return reply;
  };
  if (sticky !== undefined) {
    await checkSticky(network, probe, what, `${sticky} ${family}`, stuck, async () => {
      return (await reach()).name;
    });
    return;
  }
  const reached = new Set<string>();
  for (let attempt = 0; attempt < ATTEMPTS_MAX && reached.size < expected.length; attempt += 1) {
    const reply = await reach();
    reached.add(reply.name);
    // Who reaches itself is masqueraded whatever the rule for others is.
    if (masquerade === undefined || (reply.name === from && expected.length > 1)) continue;
    const client = from === 'H' ? ADDR.N1[family] : ADDR[from][family];
    const isClient = reply.seen === client;
    if (from !== 'H') expect(isClient, `${what}: sees ${reply.seen}`).toBe(!masquerade);
  }
  expect([...reached].sort(), what).toEqual([...expected].sort());
}

async function checkSticky(
  network: Network,
  { expect: expected, keepsForMs, forgetsAfterMs }: Probe,
  what: string,
  client: string,
  stuck: Stuck,
  reach: () => Promise<string>,
): Promise<void> {
  const before = stuck.get(client);
  const isThere = before !== undefined && (expected as readonly string[]).includes(before);
  const endpoint = isThere ? before : await reach();
  stuck.set(client, endpoint);
  const stays = async () => expect(await reach(), `${what}: another endpoint`).toBe(endpoint);
  if (forgetsAfterMs !== undefined) {
    for (let round = 0; round < FORGETTING_ROUNDS_MAX; round += 1) {
      await network.idle(forgetsAfterMs);
      if ((await reach()) !== endpoint) return;
    }
    throw new Error(`${what}: the same endpoint whenever it should have been forgotten`);
  }
  for (let at = 0; at < STICKY_CONNECTIONS; at += 1) await stays();
  if (keepsForMs === undefined) return;
  for (let round = 0; round < KEEPING_ROUNDS; round += 1) {
    await network.idle(keepsForMs);
    await stays();
  }
}
