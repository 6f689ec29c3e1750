import { createInterface } from 'node:readline';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { openLog } from '../../src/agent/log.ts';
import { MemoryKeeper } from '../../src/agent/memory.ts';
import { decodeObject } from '../../src/cluster/decode.ts';
import { kubeconfigAccess } from '../../src/cluster/kube/kubeconfig.ts';
import { KubeSource } from '../../src/cluster/kube/source.ts';
import { ManifestSource } from '../../src/cluster/manifests/source.ts';
import type { ClusterObject } from '../../src/cluster/objects.ts';
import { Store } from '../../src/cluster/store.ts';
import { parsePrefix } from '../../src/ipaddr/prefix.ts';
import { IptablesBackend } from '../../src/proxy/iptables/backend.ts';
import { DEFAULT_SETTINGS } from '../../src/proxy/model/settings.ts';
import { NftablesBackend } from '../../src/proxy/nftables/backend.ts';
import { DEFAULT_NODE_RULES } from '../../src/proxy/node.ts';
import { ServiceProxy } from '../../src/proxy/proxy.ts';
import { NODE_NAME, SERVICE_RANGE, serviceAt, sliceAt } from './proxy-objects.ts';
import { CLIENT_RANGE } from './proxy-room.ts';

/*
 * Our proxy alone, in the namespace it is started in, for `proxy.ts` to measure: a directory of
 * manifests or an API server, the store, the model and the backend of a mode, as the agent has them.
 * Prints a line of JSON when all rules are committed. Each line on stdin asks for changes that go into the store, not
 * through a file; the answer is how long each took from there to its commit.
 */

/** One change of the store at a time: a new Service, or a first endpoint that moves. */
interface Ask {
  readonly kind: 'service' | 'endpoint';
  readonly count: number;
}

const [from, path = '', services = '0', endpoints = '0', mode = 'nftables'] = process.argv.slice(2);
const size = { services: Number(services), endpoints: Number(endpoints) };
using _memory = new MemoryKeeper(openLog('silent'));
const store = new Store();
// One part for all, for what is in the first goes before all others.
const part = store.part();
const source = from === '--kubeconfig' ? fromServer() : fromManifests();
const readAt = performance.now();

function fromManifests(): Disposable {
  const manifests = new ManifestSource(path, part, {
    onError(error) {
      throw error;
    },
    onRecovered() {},
  });
  manifests.start();
  return manifests;
}

function fromServer(): Disposable {
  store.isComplete = false;
  const spawnDecoder = (options: WorkerOptions): Worker =>
    new Worker(new URL('./decode-worker.mjs', import.meta.url), options);
  const server = new KubeSource(
    part,
    {
      access: kubeconfigAccess(path),
      userAgent: 'podwire-bench',
      nodeName: NODE_NAME,
      nodes: 'own',
      pods: 'none',
      imports: false,
      spawnDecoder,
    },
    {
      onSynced() {
        store.isComplete = true;
      },
      onError(message) {
        throw new Error(message);
      },
      onRecovered() {},
    },
  );
  server.start();
  return server;
}

const backend =
  mode === 'iptables' ? IptablesBackend.open() : NftablesBackend.open(undefined, { own: false });
backend.probe();
let committed = Promise.withResolvers<number>();
const first = committed.promise;
const proxy = new ServiceProxy(
  store,
  backend,
  {
    settings: {
      ...DEFAULT_SETTINGS,
      nodeName: NODE_NAME,
      detector: { kind: 'prefixes', prefixes: [parsePrefix(CLIENT_RANGE)] },
    },
    node: { ...DEFAULT_NODE_RULES, serviceCidrs: [parsePrefix(SERVICE_RANGE)] },
    nodePorts: 'primary',
    localAddrs: () => [],
    detectsByNode: false,
    syncPeriodMs: 30_000,
  },
  {
    onSync({ error, result }) {
      if (error !== undefined) throw error;
      if (result !== undefined && result.changes > 0) committed.resolve(performance.now());
    },
  },
);
const committedAt = await first;
const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ readMs: readAt, committedMs: committedAt });

let made = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { kind, count } = JSON.parse(line) as Ask;
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    made += 1;
    const raw =
      kind === 'service'
        ? [serviceAt(size.services + made), sliceAt(size.services + made, size)]
        : [sliceAt((made * 7919) % size.services, size, made)];
    const objects = raw
      .map(decodeObject)
      .filter((each): each is ClusterObject => each !== undefined);
    committed = Promise.withResolvers();
    const start = performance.now();
    part.apply(objects, []);
    times.push((await committed.promise) - start);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  say(times);
}
source[Symbol.dispose]();
proxy.close();
backend[Symbol.dispose]();
