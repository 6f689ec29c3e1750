import { describe, expect, it } from 'vitest';
import { Store } from '../../../src/cluster/store.ts';
import type { Addr } from '../../../src/ipaddr/addr.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { trace } from '../../../src/proxy/model/trace.ts';
import type { CaseSettings, Probe } from './case.ts';
import { CASES } from './cases.ts';
import { modelSettings } from './settings.ts';
import { ADDR, type Client, FAMILIES, type Family } from './world.ts';

/* The suite against the model alone: what it says of a packet, before any kernel is asked. */

function originOf(from: Client): 'pod' | 'host' | 'outside' {
  if (from === 'H') return 'host';
  return from === 'a' || from === 'b' ? 'pod' : 'outside';
}

function isNodePortAddr(addr: Addr, family: Family, { nodePortAddresses }: CaseSettings): boolean {
  const own: string[] = [
    ADDR.N1[family],
    ...(nodePortAddresses === 'all' ? [ADDR.other[family]] : []),
  ];
  return own.includes(`${addr}`);
}

function check(
  table: RouteTable,
  store: Store,
  { from, to, port, protocol = 'TCP', expect: expected, masquerade, goesOn, sticky }: Probe,
  family: Family,
  settings: CaseSettings,
): void {
  const source = parseAddr(ADDR[from === 'H' ? 'N1' : from][family]);
  const seen = trace(
    { source, destination: parseAddr(ADDR[to][family]), protocol, port, origin: originOf(from) },
    {
      route: (key) => table.get(key),
      isNodePortAddr: (addr) => isNodePortAddr(addr, family, settings),
      isClusterIP: (addr) =>
        [...table.routes()].some(
          ([, route]) => route.entry === 'cluster-ip' && route.addr?.equals(addr),
        ),
      serviceCidrs: [...store.serviceCidrs.values()].flatMap(({ cidrs }) => cidrs.map(parsePrefix)),
    },
  );
  const what = `${from} to ${to}:${port}/${protocol}, IPv${family}\n${seen.steps.join('\n')}`;
  if (typeof expected === 'string') {
    expect(seen.verdict, what).toBe(expected);
    expect(seen.endpoints, what).toEqual([]);
    return;
  }
  expect(seen.verdict, what).toBe('forward');
  const pods = expected.map((pod) => ADDR[pod][family]);
  if (goesOn === true) {
    expect(
      seen.route?.serving?.map(({ addr }) => `${addr}`),
      what,
    ).toContain(pods[0]);
    return;
  }
  const endpoints = seen.endpoints.map(({ addr }) => `${addr}`);
  if (sticky !== undefined) {
    // Which of them it is, only time tells.
    expect(seen.route?.ways[originOf(from)].pool.affinitySeconds, what).toBeGreaterThan(0);
    expect(endpoints, what).toEqual(expect.arrayContaining(pods));
    return;
  }
  expect(endpoints.sort(), what).toEqual(pods.sort());
  if (masquerade === undefined) return;
  const hairpinOnly = seen.endpoints.every(({ addr }) => addr.equals(source));
  expect(seen.masquerade || (hairpinOnly && seen.hairpin.length > 0), what).toBe(masquerade);
}

for (const [part, cases] of Object.entries(CASES)) {
  describe(part, () => {
    it.each(cases.map((each) => [each.name, each] as const))('%s', (_, { steps }) => {
      const store = new Store();
      let last: CaseSettings = {};
      const table = new RouteTable(modelSettings(last));
      store.subscribe((state, touched) => table.update(state, touched));
      for (const { objects, probes, settings = {} } of steps) {
        if (JSON.stringify(settings) !== JSON.stringify(last)) {
          table.reset(modelSettings(settings), store);
        }
        last = settings;
        store.replace(objects);
        for (const probe of probes) {
          for (const family of FAMILIES) {
            if ((probe.family ?? family) === family) check(table, store, probe, family, settings);
          }
        }
      }
      // Step by step must have come to what all at once comes to.
      const anew = new RouteTable(modelSettings(last));
      anew.update(store, [...store.services.keys()]);
      expect(new Map(table.routes())).toEqual(new Map(anew.routes()));
    });
  });
}
