import { Resolver } from 'node:dns/promises';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { must, servicesPath, slicesPath, watch } from './kube-requests.ts';
import { clusterIPOf, ENDPOINT_PORT, endpointAddress } from './proxy-objects.ts';

/*
 * Changes Services of an API server at a steady rate, from inside the node's namespace, for `churn.ts`: says
 * a line of JSON after each period, and when stdin ends what should be now, and what DNS says of it.
 */

/** What is said after each period. */
export interface Churned {
  readonly changes: number;
  readonly failures: number;
  /**
   * For some of the changes: from the moment in which a watch here hears of it to that in which DNS says so. That
   * the API server and the machine are slow is in neither.
   */
  readonly lagsMs: readonly number[];
}

/** What is said at the end. */
export interface Wanted {
  /** Cluster IPs with their ports, and the endpoints of each: what the kernel should have. */
  readonly wanted: readonly { readonly address: string; readonly endpoints: readonly string[] }[];
  readonly wrongNames: readonly string[];
}

const [rate = '100', services = '1000', seconds = '60'] = process.argv.slice(2);
const NAMESPACE = 'default';
const SLOTS = Number(services);
const ENDPOINTS_MAX = 6;
/** As many as an API server that is behind may owe an answer. */
const PENDING_MAX = 400;
const TICK_MS = 20;
const PROBE_MS = 500;
const PROBE_TIMEOUT_MS = 30_000;
const PORTS = [80, 443, 8080];
const HEADLESS_OF = 10;

/** Services by their number: their port and the numbers of their endpoints; undefined when there is none. */
const slots: ({ readonly port: number; readonly endpoints: readonly number[] } | undefined)[] =
  Array.from({ length: SLOTS }, () => undefined);
const busy = new Set<number>();
let changes = 0;
let failures = 0;
let pending = 0;
let lags: number[] = [];

const random = (below: number): number => Math.floor(Math.random() * below);
const isHeadless = (slot: number): boolean => slot % HEADLESS_OF === 0;
const nameOf = (slot: number): string => `churn-${slot}`;
const sliceName = (slot: number): string => `${nameOf(slot)}-x`;
const clusterIP = (slot: number): string => (isHeadless(slot) ? 'None' : clusterIPOf(slot));
const someEndpoints = (): number[] => [
  ...new Set(Array.from({ length: random(ENDPOINTS_MAX) }, () => random(60_000))),
];

const service = (name: string, clusterIP: string, port: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NAMESPACE },
  spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port }] },
});

const slice = (name: string, of: string, endpoints: readonly number[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: ENDPOINT_PORT }],
  endpoints: endpoints.map((at) => ({
    addresses: [endpointAddress(at)],
    conditions: { ready: true },
    nodeName: `node-${at % 50}`,
  })),
});

async function create(slot: number): Promise<void> {
  const [port, endpoints] = [PORTS[random(PORTS.length)] ?? 80, someEndpoints()];
  slots[slot] = { port, endpoints };
  await must('POST', servicesPath(NAMESPACE), service(nameOf(slot), clusterIP(slot), port));
  await must('POST', slicesPath(NAMESPACE), slice(sliceName(slot), nameOf(slot), endpoints));
  changes += 2;
}

async function remove(slot: number): Promise<void> {
  slots[slot] = undefined;
  await must('DELETE', `${slicesPath(NAMESPACE)}/${sliceName(slot)}`);
  await must('DELETE', `${servicesPath(NAMESPACE)}/${nameOf(slot)}`);
  changes += 2;
}

async function move(slot: number, port: number): Promise<void> {
  const endpoints = someEndpoints();
  slots[slot] = { port, endpoints };
  const path = `${slicesPath(NAMESPACE)}/${sliceName(slot)}`;
  await must('PUT', path, slice(sliceName(slot), nameOf(slot), endpoints));
  changes += 1;
}

async function changePort(slot: number, endpoints: readonly number[]): Promise<void> {
  const port = PORTS[random(PORTS.length)] ?? 80;
  slots[slot] = { port, endpoints };
  const ports = [{ name: 'http', port, protocol: 'TCP', targetPort: ENDPOINT_PORT }];
  await must('PATCH', `${servicesPath(NAMESPACE)}/${nameOf(slot)}`, { spec: { ports } });
  changes += 1;
}

/** Begins a change of a Service that no other change is about. Gives how many requests it is. */
function change(): number {
  const slot = random(SLOTS);
  if (busy.has(slot) || pending >= PENDING_MAX) return 0;
  const now = slots[slot];
  const dice = Math.random();
  if (now === undefined) begin(slot, create(slot));
  else if (dice < 0.15) begin(slot, remove(slot));
  else if (dice < 0.25) begin(slot, changePort(slot, now.endpoints));
  else begin(slot, move(slot, now.port));
  return now === undefined || dice < 0.15 ? 2 : 1;
}

function begin(slot: number, work: Promise<void>): void {
  busy.add(slot);
  pending += 1;
  work
    .catch((error: unknown) => {
      failures += 1;
      process.stderr.write(`${String(error)}\n`);
    })
    .finally(() => {
      busy.delete(slot);
      pending -= 1;
    });
}

const resolver = new Resolver({ timeout: 1_000, tries: 3 });
resolver.setServers(['127.0.0.1:53']);
const addressesOf = async (name: string): Promise<string[]> =>
  resolver.resolve4(`${name}.${NAMESPACE}.svc.cluster.local`).catch((error: Error) => {
    if ('code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')) return [];
    throw error;
  });

/** By the address of a probe: when a watch told of it. */
const told = new Map<string, number>();

/** Hears of the probes as anybody does who watches. */
async function listen(signal: AbortSignal): Promise<void> {
  const query = `watch=1&fieldSelector=metadata.name%3Dprobe-x`;
  while (!signal.aborted) {
    for await (const line of watch(`${slicesPath(NAMESPACE)}?${query}`, signal)) {
      const { object } = JSON.parse(line) as { object: ReturnType<typeof slice> };
      const address = object.endpoints[0]?.addresses[0] ?? '';
      if (!told.has(address)) told.set(address, performance.now());
    }
  }
}

/** How long it takes from an endpoint that watches tell of to DNS that names it. */
async function probe(): Promise<void> {
  await must('POST', servicesPath(NAMESPACE), service('probe', 'None', 80));
  await must('POST', slicesPath(NAMESPACE), slice('probe-x', 'probe', [60_000]));
  const ended = new AbortController();
  const listening = listen(ended.signal);
  for (let at = 1; !isOver; at += 1) {
    const endpoint = 60_000 + at;
    const address = endpointAddress(endpoint);
    const start = performance.now();
    await must('PUT', `${slicesPath(NAMESPACE)}/probe-x`, slice('probe-x', 'probe', [endpoint]));
    while ((await addressesOf('probe'))[0] !== address) {
      if (performance.now() - start > PROBE_TIMEOUT_MS) throw new Error('a change was missed');
      await pause(1);
    }
    const named = performance.now();
    while (!told.has(address)) await pause(1);
    lags.push(Math.max(0, named - (told.get(address) ?? named)));
    told.clear();
    await pause(PROBE_MS);
  }
  ended.abort();
  await listening;
}

const say = (line: Churned | Wanted): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
let isOver = false;
createInterface({ input: process.stdin }).on('close', () => {
  isOver = true;
});

const load = Array.from({ length: SLOTS }, (_, slot) => slot);
await Promise.all(
  Array.from({ length: 16 }, async () => {
    for (let slot = load.pop(); slot !== undefined; slot = load.pop()) await create(slot);
  }),
);
say({ changes: 0, failures, lagsMs: [] });
changes = 0;
const probing = probe();
let [before, last] = [performance.now(), performance.now()];
for (let owed = 0; !isOver; ) {
  await pause(TICK_MS);
  const now = performance.now();
  owed = Math.min(owed + ((now - before) / 1000) * Number(rate), PENDING_MAX);
  before = now;
  for (let tries = 0; owed >= 1 && tries < PENDING_MAX; tries += 1) owed -= change();
  if (now - last < Number(seconds) * 1000) continue;
  last = now;
  say({ changes, failures, lagsMs: lags });
  [changes, failures, lags] = [0, 0, []];
}
await probing;
while (pending > 0) await pause(TICK_MS);
for (const [path, name] of [
  [slicesPath(NAMESPACE), 'probe-x'],
  [servicesPath(NAMESPACE), 'probe'],
]) {
  await must('DELETE', `${path}/${name}`);
}
const end = performance.now();
let wrong = await wrongNames();
while (wrong.length > 0 && performance.now() - end < PROBE_TIMEOUT_MS) wrong = await wrongNames();
const wanted = slots.flatMap((now, slot) => {
  if (now === undefined || isHeadless(slot)) return [];
  const endpoints = now.endpoints.map((at) => `${endpointAddress(at)}:${ENDPOINT_PORT}`);
  return [{ address: `${clusterIP(slot)}:${now.port}`, endpoints }];
});
say({ wanted, wrongNames: wrong });

/** The names that DNS says something else of than should be. */
async function wrongNames(): Promise<string[]> {
  const names: string[] = [];
  for (const [slot, now] of slots.entries()) {
    const endpoints = (now?.endpoints ?? []).map(endpointAddress);
    const should = now !== undefined && !isHeadless(slot) ? [clusterIP(slot)] : endpoints;
    const is = await addressesOf(nameOf(slot));
    if (String(is.sort()) !== String(should.sort())) names.push(nameOf(slot));
  }
  return names;
}
