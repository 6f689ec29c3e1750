import { describe, expect, it, vi } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import type { Desired } from '../../../src/proxy/backend.ts';
import type { Pool } from '../../../src/proxy/model/pool.ts';
import { routeKey, type ServiceRoute } from '../../../src/proxy/model/route.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES, type NodeRules } from '../../../src/proxy/node.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('proxy');

const pool = (id: string, endpoints: readonly string[], affinitySeconds = 0): Pool => ({
  id,
  endpoints: endpoints.map((each) => ({
    addr: parseAddr(each),
    port: 8080,
    isLocal: true,
    mayMeetItself: true,
  })),
  whenEmpty: 'reject',
  affinitySeconds,
});

const route = (
  addr: string,
  port: number,
  endpoints: readonly string[],
  more: Partial<ServiceRoute> & { readonly affinitySeconds?: number } = {},
): ServiceRoute => {
  const { affinitySeconds, ...rest } = more;
  const way = { pool: pool(`${addr} ${port}`, endpoints, affinitySeconds), masquerade: false };
  return {
    name: 'default/web',
    entry: 'cluster-ip',
    family: addr.includes(':') ? 6 : 4,
    addr: parseAddr(addr),
    protocol: 'TCP',
    port,
    ways: { pod: way, host: way, outside: way },
    sources: undefined,
    ...rest,
  };
};

const keyed = (routes: readonly ServiceRoute[]) =>
  routes.map((each) => [routeKey(each), each] as const);

const desired = (
  routes: readonly ServiceRoute[],
  changes: Desired['changes'] = new Map(),
  node: NodeRules = DEFAULT_NODE_RULES,
): Desired => ({ node, routes: () => keyed(routes), changes });

const web = route('10.96.0.20', 80, ['10.244.0.10', '10.244.0.11']);
const web6 = route('fd00:96::20', 80, ['fd00:244::10', 'fd00:244::11']);
const empty = route('10.96.0.30', 443, []);
const list = (family: string): string => fixture.exec('nft', 'list', 'table', family, 'podwire');
const ruleset = (): string => fixture.exec('nft', '-a', 'list', 'ruleset');
/** The order of elements is the hash table's; everything else is fixed. */
const sorted = (text: string): string[] =>
  text
    .replace(/\s+/g, ' ')
    .split(/[{},]/)
    .map((part) => part.trim())
    .sort();
const elements = (family: string, map: string): string[] => {
  const text = fixture.exec('nft', 'list', 'map', family, 'podwire', map);
  const body = /elements = \{([^}]*)\}/.exec(text)?.[1] ?? '';
  return body
    .split(',')
    .map((each) => each.replace(/\s+/g, ' ').trim())
    .filter(Boolean)
    .sort();
};

describe('NftablesBackend', () => {
  it('prints as typed maps and named rules', () => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync(desired([web, web6, empty]));
    expect(elements('ip', 'cluster-ips')).toEqual(['10.96.0.20 . tcp . 80 : 0:1002']);
    expect(elements('ip', 'endpoints')).toEqual([
      '0:1000 . 0x00000000 : 10.244.0.10 . 8080',
      '0:1000 . 0x00000001 : 10.244.0.11 . 8080',
    ]);
    expect(elements('ip', 'pick-chains')).toEqual(['0:2 : goto pick-2']);
    expect(elements('ip6', 'endpoints')).toContain('0:1000 . 0x00000001 : fd00:244::11 . 8080');
    const seen = list('ip');
    for (const text of [
      'comment "Services, by podwire"',
      'elements = { 10.96.0.30 . tcp . 443 }',
      'ip daddr . meta l4proto . th dport @refused-ips goto refuse comment "in refused-ips"',
      'meta priority set ip daddr . meta l4proto . th dport map @cluster-ips goto pick comment "in cluster-ips"',
      'meta priority & 0:fff vmap @pick-chains comment "by its class"',
      'dnat ip to meta priority & ffff:f000 . numgen random mod 2 map @endpoints comment "a random slot"',
      'type filter hook prerouting priority dstnat - 10; policy accept;',
      'type nat hook prerouting priority dstnat; policy accept;',
    ]) {
      expect(seen).toContain(text);
    }
  });

  it('sends nothing when nothing changed, nor after a restart', () => {
    const sticky = route('10.96.0.40', 80, ['10.244.0.7', '10.244.0.8'], { affinitySeconds: 30 });
    const guarded = route('5.6.7.8', 80, ['10.244.0.9'], {
      entry: 'load-balancer',
      sources: [parsePrefix('10.0.0.0/8'), parsePrefix('192.0.2.0/24')],
    });
    const node: NodeRules = {
      ...DEFAULT_NODE_RULES,
      detector: { kind: 'prefixes', prefixes: [parsePrefix('10.244.0.0/16')] },
      nodePortAddrs: [parseAddr('192.0.2.1')],
      serviceCidrs: [parsePrefix('10.96.0.0/12'), parsePrefix('fd00:96::/112')],
    };
    const all = desired([web, web6, empty, sticky, guarded], new Map(), node);
    let before: string;
    {
      using backend = NftablesBackend.open(fixture.netns);
      expect(backend.sync(all).changes).toBeGreaterThan(0);
      before = ruleset();
      expect(backend.sync(all).changes).toBe(0);
      backend.invalidate();
      expect(backend.sync(all)).toMatchObject({ changes: 0, full: true });
    }
    // The last connection is closed; the tables stay, to be taken over.
    expect(ruleset()).toContain('10.244.0.10');
    using restarted = NftablesBackend.open(fixture.netns);
    restarted.sync(all);
    expect(sorted(ruleset())).toEqual(sorted(before));
    expect(restarted.sync(all).changes).toBe(0);
  });

  it('follows a change with the elements that differ, and keeps those in their slots', () => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync(desired([web, empty]));
    const changed = route('10.96.0.20', 80, ['10.244.0.11', '10.244.0.12', '10.244.0.13']);
    const changes = new Map(keyed([changed])).set(routeKey(empty), undefined as never);
    const { full } = backend.sync(desired([changed], changes));
    expect(full).toBe(false);
    expect(elements('ip', 'endpoints')).toEqual([
      '0:1000 . 0x00000000 : 10.244.0.12 . 8080',
      '0:1000 . 0x00000001 : 10.244.0.11 . 8080',
      '0:1000 . 0x00000002 : 10.244.0.13 . 8080',
    ]);
    expect(elements('ip', 'cluster-ips')).toEqual(['10.96.0.20 . tcp . 80 : 0:1003']);
    const seen = list('ip');
    for (const gone of ['10.244.0.10', '10.96.0.30', 'pick-2']) expect(seen).not.toContain(gone);
    // What was done step by step is what a fresh comparison wants, too.
    backend.invalidate();
    expect(backend.sync(desired([changed])).changes).toBe(0);
    backend.sync(desired([], new Map([[routeKey(changed), undefined]])));
    expect(list('ip')).not.toContain('10.96');
  });

  it.each([
    [
      'an element',
      ['delete', 'element', 'ip', 'podwire', 'cluster-ips', '{ 10.96.0.20 . tcp . 80 }'],
    ],
    ['the rules of a chain', ['flush', 'chain', 'ip', 'podwire', 'from-outside']],
    ['a base chain', ['delete', 'chain', 'ip', 'podwire', 'prerouting']],
    ['a table', ['delete', 'table', 'ip6', 'podwire']],
    ['everything', ['flush', 'ruleset']],
    ['nothing, but puts a rule in', ['insert', 'rule', 'ip', 'podwire', 'pick', 'accept']],
    ['nothing, but puts a set in', ['add', 'set', 'ip', 'podwire', 'x', '{ type mark; }']],
  ])('hears of it, and repairs the table after somebody deletes %s', async (what, command) => {
    using backend = NftablesBackend.open(fixture.netns, { own: false });
    backend.sync(desired([web, web6]));
    const before = sorted(fixture.exec('nft', 'list', 'ruleset'));
    const drifted = vi.fn();
    using _watch = backend.watch(drifted);
    if (what === 'a base chain') {
      fixture.exec('nft', 'flush', 'chain', 'ip', 'podwire', 'prerouting');
    }
    fixture.exec('nft', ...command);
    await vi.waitFor(() => expect(drifted).toHaveBeenCalled());
    expect(sorted(fixture.exec('nft', 'list', 'ruleset'))).not.toEqual(before);
    drifted.mockClear();
    backend.invalidate();
    expect(backend.sync(desired([web, web6])).changes).toBeGreaterThan(0);
    expect(sorted(fixture.exec('nft', 'list', 'ruleset'))).toEqual(before);
    // Our own changes are no drift, and neither are those of others elsewhere.
    fixture.exec('nft', 'add', 'table', 'ip', 'theirs');
    fixture.exec('nft', 'add', 'chain', 'ip', 'podwire', 'stray');
    await vi.waitFor(() => expect(drifted).toHaveBeenCalled());
    expect(drifted).toHaveBeenCalledTimes(1);
  });

  it('reads nothing again while the kernel shows that nobody changed a thing', async () => {
    using backend = NftablesBackend.open(fixture.netns, { own: false });
    backend.sync(desired([web]));
    const drifted = vi.fn();
    using _watch = backend.watch(drifted);
    backend.invalidate();
    expect(backend.sync(desired([web]))).toMatchObject({ full: false, changes: 0 });
    const changed = route('10.96.0.20', 80, ['10.244.0.12']);
    backend.sync(desired([changed], new Map(keyed([changed]))));
    fixture.exec('nft', 'add', 'table', 'ip', 'theirs');
    // That is told of in its turn, and is no reason either.
    await vi.waitFor(() => {
      backend.invalidate();
      expect(backend.sync(desired([changed]))).toMatchObject({ full: false, changes: 0 });
    });
    fixture.exec('nft', 'flush', 'map', 'ip', 'podwire', 'endpoints');
    backend.invalidate();
    expect(backend.sync(desired([changed]))).toMatchObject({ full: true });
    expect(elements('ip', 'endpoints')).toHaveLength(1);
    expect(drifted).not.toHaveBeenCalled();
  });

  it('hears of what somebody changed before it listened', async () => {
    using backend = NftablesBackend.open(fixture.netns, { own: false });
    backend.sync(desired([web]));
    fixture.exec('nft', 'flush', 'map', 'ip', 'podwire', 'endpoints');
    const drifted = vi.fn();
    using _watch = backend.watch(drifted);
    await vi.waitFor(() => expect(drifted).toHaveBeenCalledTimes(1));
  });

  it('keeps others from changing its tables', () => {
    using backend = NftablesBackend.open(fixture.netns);
    backend.sync(desired([web]));
    expect(() => fixture.exec('nft', 'delete', 'table', 'ip', 'podwire')).toThrow(
      'Operation not permitted',
    );
    fixture.exec('nft', 'flush', 'ruleset');
    expect(list('ip')).toContain('10.96.0.20');
  });

  it('leaves its tables to whoever comes after it, and to nobody before', () => {
    {
      using backend = NftablesBackend.open(fixture.netns);
      expect(backend.protection).toBeUndefined();
      backend.sync(desired([web]));
      expect(backend.protection).toMatchObject({ isOwned: true });
    }
    using next = NftablesBackend.open(fixture.netns);
    // They are taken over, but nothing in them is written.
    expect(next.sync(desired([web])).changes).toBe(0);
    expect(next.protection).toMatchObject({ isOwned: true });
    next.invalidate();
    expect(next.sync(desired([web])).changes).toBe(0);
    expect(() => fixture.exec('nft', 'flush', 'table', 'ip', 'podwire')).toThrow(
      'Operation not permitted',
    );
  });

  it('keeps on with tables that have no owner, and says so', () => {
    {
      using before = NftablesBackend.open(fixture.netns, { own: false });
      before.sync(desired([web]));
      expect(before.protection).toMatchObject({ isOwned: false });
    }
    using backend = NftablesBackend.open(fixture.netns);
    expect(backend.sync(desired([web])).changes).toBe(0);
    expect(backend.protection?.reason).toMatch(/made without an owner/);
    // Once somebody has removed them they are made anew, for us alone.
    fixture.exec('nft', 'flush', 'ruleset');
    backend.invalidate();
    expect(backend.sync(desired([web])).changes).toBeGreaterThan(2);
    expect(backend.protection).toMatchObject({ isOwned: true });
  });

  it('serves all others when the kernel refuses one', () => {
    using backend = NftablesBackend.open(fixture.netns);
    // Two ranges that overlap can't both be in a set of ranges; the model never makes such.
    const bad = route('5.6.7.8', 80, ['10.244.0.9'], {
      name: 'default/bad',
      entry: 'load-balancer',
      sources: [parsePrefix('10.0.0.0/8'), parsePrefix('10.1.0.0/16')],
    });
    const others = Array.from({ length: 20 }, (_, at) =>
      route(`10.96.1.${at}`, 80, ['10.244.0.1']),
    );
    const all = [...others.slice(0, 7), bad, ...others.slice(7)];
    const { quarantined } = backend.sync(desired(all));
    expect(quarantined.map(({ route: each }) => each.name)).toEqual(['default/bad']);
    expect(quarantined[0]?.error.message).toContain('admitted');
    expect(elements('ip', 'cluster-ips')).toHaveLength(20);
    // It comes as a change to what is in force already, and is mended later.
    const more = route('10.96.2.1', 80, ['10.244.0.1']);
    const again = backend.sync(desired([...all, more], new Map(keyed([bad, more]))));
    expect(again.quarantined).toHaveLength(1);
    expect(elements('ip', 'cluster-ips')).toHaveLength(21);
    const good = { ...bad, sources: [parsePrefix('10.0.0.0/8')] };
    const mended = backend.sync(desired([...others, more, good], new Map(keyed([good]))));
    expect(mended.quarantined).toEqual([]);
    expect(elements('ip', 'external-ips')).toHaveLength(1);
  });

  it('removes what is ours and only that', () => {
    fixture.exec('nft', 'add', 'table', 'ip', 'theirs');
    fixture.exec('nft', 'add', 'table', 'inet', 'podwire');
    const before = ruleset();
    {
      using agent = NftablesBackend.open(fixture.netns);
      agent.sync(desired([web, web6]));
      using other = NftablesBackend.open(fixture.netns);
      const refusal = `owned by process ${process.pid} (`;
      expect(() => other.cleanup()).toThrow(refusal);
      expect(() => other.sync(desired([]))).toThrow(refusal);
      expect(list('ip')).toContain('10.96.0.20');
    }
    using backend = NftablesBackend.open(fixture.netns);
    expect(backend.cleanup()).toEqual(['table ip podwire', 'table ip6 podwire']);
    expect(ruleset()).toBe(before);
    expect(backend.cleanup()).toEqual([]);
  });

  it('says what the kernel lacks, where it lacks something', () => {
    using backend = NftablesBackend.open(fixture.netns);
    expect(() => backend.probe()).not.toThrow();
    expect(ruleset()).toBe('');
  });
});
