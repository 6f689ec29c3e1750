import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EndpointSlice, Service } from '../../../src/cluster/objects.ts';
import { Store } from '../../../src/cluster/store.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { DEFAULT_SETTINGS } from '../../../src/proxy/model/settings.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES } from '../../../src/proxy/node.ts';
import { ServiceProxy, type Sync } from '../../../src/proxy/proxy.ts';
import { endpointAddress } from '../../bench/proxy-objects.ts';
import { CLIENT_RANGE, Room } from '../../bench/proxy-room.ts';

/* Large Services, storms of changes and meddling by others, on a real kernel with real connections. */

const VIP = '10.96.0.20';
const TARGET_PORT = 8080;

/** Tells on how many connections each of its addresses was reached, when asked by a line. */
const SERVER = `
import collections, json, socket, sys, threading
reached = collections.Counter()
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', ${TARGET_PORT}))
s.listen(4096)
def tell():
    for _ in sys.stdin:
        print(json.dumps(reached), flush=True)
threading.Thread(target=tell, daemon=True).start()
print('ready', flush=True)
while True:
    try:
        c = s.accept()[0]
        reached[c.getsockname()[0]] += 1
        c.close()
    except OSError:
        pass
`;

const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: 'default',
  labels,
  annotations: {},
});

const service = (ports: readonly number[] = [80]): Service => ({
  kind: 'Service',
  metadata: metadata('web'),
  type: 'ClusterIP',
  clusterIPs: [VIP],
  ports: ports.map((port) => ({ name: `p${port}`, protocol: 'TCP', port })),
});

/** So many endpoints for all the ports, in one slice. */
const slice = (count: number, ports: readonly number[] = [80], first = 0): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata: metadata('web-1', { 'kubernetes.io/service-name': 'web' }),
  addressType: 'IPv4',
  ports: ports.map((port) => ({ name: `p${port}`, protocol: 'TCP', port: TARGET_PORT })),
  endpoints: Array.from({ length: count }, (_, at) => ({
    addresses: [endpointAddress(first + at)],
    conditions: {},
  })),
});

let room: Room;
let server: ChildProcess;
let lines: AsyncIterator<string>;
let parts: DisposableStack;
let store: Store;
let syncs: Sync[];
beforeEach(async () => {
  room = new Room('robust');
  const [command, args] = room.enter('server', 'python3', '-I', '-c', SERVER);
  server = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  if (server.stdout === null) throw new Error('no output');
  lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  await lines.next();
  parts = new DisposableStack();
  store = new Store();
  syncs = [];
  const backend = parts.use(NftablesBackend.open(room.netns, { own: false }));
  const options = {
    settings: {
      ...DEFAULT_SETTINGS,
      detector: { kind: 'prefixes' as const, prefixes: [parsePrefix(CLIENT_RANGE)] },
    },
    node: DEFAULT_NODE_RULES,
    nodePorts: 'primary' as const,
    localAddrs: () => [],
    detectsByNode: false,
    syncPeriodMs: 30_000,
  };
  parts.use(new ServiceProxy(store, backend, options, { onSync: (sync) => syncs.push(sync) }));
});
afterEach(async () => {
  parts.dispose();
  server.kill('SIGKILL');
  await once(server, 'exit');
  room[Symbol.dispose]();
});

/** Puts objects into the store and waits until the kernel has them. */
async function put(...objects: (Service | EndpointSlice)[]): Promise<void> {
  const before = syncs.length;
  store.update(objects);
  await vi.waitFor(() => expect(syncs.length).toBeGreaterThan(before), { timeout: 10_000 });
  expect(syncs.at(-1)?.error).toBeUndefined();
  expect(syncs.at(-1)?.result?.quarantined).toEqual([]);
}

/** How often each endpoint was reached so far. */
async function reached(): Promise<Readonly<Record<string, number>>> {
  server.stdin?.write('\n');
  return JSON.parse(String((await lines.next()).value)) as Record<string, number>;
}

const nft = (...args: string[]): string => {
  const [command, all] = room.enter('node', 'nft', ...args);
  return execFileSync(command, all, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 1 << 26 });
};
const count = (map: string): number => {
  const [, elements = ''] = nft('list', 'map', 'ip', 'podwire', map).split('elements = ');
  return elements.match(/ : /g)?.length ?? 0;
};

describe('a Service', { timeout: 60_000 }, () => {
  it('spreads connections evenly over three endpoints', async () => {
    await put(service(), slice(3));
    room.connect([VIP], 80, 3_000);
    const counts = Object.values(await reached());
    expect(counts).toHaveLength(3);
    for (const each of counts) {
      expect(each).toBeGreaterThan(3_000 * 0.28);
      expect(each).toBeLessThan(3_000 * 0.38);
    }
  });

  it('reaches each of 250 endpoints', async () => {
    await put(service(), slice(250));
    // A chance of one in some hundred thousand that one of them is left out.
    room.connect([VIP], 80, 4_500);
    expect(Object.keys(await reached())).toHaveLength(250);
  });

  it('has a thousand endpoints, then more ways of picking than fit small numbers, then one', async () => {
    for (const endpoints of [1_000, 2_500, 1]) {
      await put(service(), slice(endpoints));
      expect(count('endpoints')).toBe(endpoints);
      expect(room.connect([VIP], 80, 200)).toHaveLength(200);
      expect(nft('list', 'map', 'ip', 'podwire', 'pick-chains')).toContain(`pick-${endpoints}`);
    }
  });

  it('has 1,100 ports, each of which leads to it', async () => {
    const ports = Array.from({ length: 1_100 }, (_, at) => 1_000 + at);
    await put(service(ports), slice(2, ports));
    expect(count('cluster-ips')).toBe(1_100);
    expect(count('endpoints')).toBe(2_200);
    for (const port of [1_000, 1_555, 2_099]) expect(room.connect([VIP], port, 5)).toHaveLength(5);
    await put(service([80]), slice(2));
    expect(count('cluster-ips')).toBe(1);
    expect(count('endpoints')).toBe(2);
  });

  it('follows a thousand flaps of an endpoint with few commits, and ends as it shall be', async () => {
    await put(service(), slice(2));
    const before = syncs.length;
    const start = performance.now();
    for (let flap = 1; flap <= 1_000; flap += 1) {
      store.update([slice(flap % 2 === 0 ? 2 : 1, [80], flap === 1_000 ? 7 : 0)]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const wanted = `${endpointAddress(7)} . ${TARGET_PORT}`;
    await vi.waitFor(
      () => expect(nft('list', 'map', 'ip', 'podwire', 'endpoints')).toContain(wanted),
      { timeout: 10_000 },
    );
    // At once, and then one in five milliseconds.
    const mostly = (performance.now() - start) / 5 + 2;
    expect(syncs.length - before).toBeLessThanOrEqual(mostly);
    expect(count('endpoints')).toBe(2);
  });

  it.each([
    ['flushes everything', ['flush', 'ruleset']],
    ['deletes the table', ['delete', 'table', 'ip', 'podwire']],
    ['takes an element away', ['flush', 'map', 'ip', 'podwire', 'endpoints']],
    ['flushes a chain', ['flush', 'chain', 'ip', 'podwire', 'prerouting']],
    ['puts a rule in the way', ['insert', 'rule', 'ip', 'podwire', 'pick', 'drop']],
  ])('is served again soon after somebody %s', async (_, command) => {
    await put(service(), slice(3));
    const before = nft('list', 'ruleset').split('\n').sort();
    const start = performance.now();
    nft(...command);
    expect(nft('list', 'ruleset').split('\n').sort()).not.toEqual(before);
    const isSame = (): void => expect(nft('list', 'ruleset').split('\n').sort()).toEqual(before);
    await vi.waitFor(isSame, { timeout: 10_000, interval: 20 });
    const ms = performance.now() - start;
    process.stdout.write(
      `repaired ${ms.toFixed(0)} ms after somebody ran nft ${command.join(' ')}\n`,
    );
    expect(room.connect([VIP], 80, 50)).toHaveLength(50);
  });
});
