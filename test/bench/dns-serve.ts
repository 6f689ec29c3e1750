import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Service } from '../../src/cluster/objects.ts';
import { type ClusterState, Store } from '../../src/cluster/store.ts';
import { ClusterZone } from '../../src/dns/cluster-zone.ts';
import { ClusterDns } from '../../src/dns/dns.ts';
import { Acl } from '../../src/dns/server/acl.ts';
import { Answerer } from '../../src/dns/server/answer.ts';
import { KUBERNETES_ZONE_DEFAULTS } from '../../src/dns/zone/options.ts';
import { parseAddr } from '../../src/ipaddr/parse-addr.ts';
import { parsePrefix } from '../../src/ipaddr/prefix.ts';
import { objects, serviceAt, sliceAt } from './dns-objects.ts';

/*
 * A server for `dns.ts` to measure, in a process of its own: `podwire` as the agent has it, with an
 * access list; `dgram` with the same answers through Node's own sockets. Prints a line when it
 * serves. `table` is as `podwire`, but nobody holds the cluster's objects: they are made when they are
 * asked for.
 */

const [mode = 'podwire', services = '10000', port = '0'] = process.argv.slice(2);
const zone = { ...KUBERNETES_ZONE_DEFAULTS, localAddresses: [parseAddr('127.0.0.1')] };

/** A cluster that nobody holds: its objects are made again each time. */
function generated(count: number): ClusterState & Pick<Store, 'subscribe'> {
  const indexOf = (name: string) => Number(name.slice(name.lastIndexOf('-') + 1));
  function* keys(): Generator<string> {
    for (let index = 0; index < count; index += 1) {
      const { namespace, name } = serviceAt(index).metadata;
      yield `${namespace}/${name}`;
    }
  }
  const services = { size: count, keys, get: (key: string) => serviceAt(indexOf(key)) };
  return {
    generation: 1,
    isComplete: true,
    isStale: false,
    // What is asked of it is there.
    services: services as unknown as ReadonlyMap<string, Service>,
    slicesOf: (_, name) => [sliceAt(indexOf(name))],
    namespaces: new Map(),
    pods: new Map(),
    imports: new Map(),
    importSlicesOf: () => [],
    nodes: new Map(),
    serviceCidrs: new Map(),
    subscribe: () => () => {},
  };
}

function stored(count: number): Store {
  const store = new Store();
  store.replace([...objects(count)]);
  return store;
}

async function servePodwire(): Promise<number> {
  const count = Number(services);
  const state = mode === 'table' ? generated(count) : stored(count);
  const dns = await ClusterDns.start(state, {
    addresses: ['127.0.0.1'],
    port: Number(port),
    workers: 1,
    zone,
    allow: Acl.of(
      ['10.0.0.0/8', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fd00::/8'].map(parsePrefix),
    ),
    transfer: Acl.of([parsePrefix('127.0.0.0/8')]),
    answerer: { cookieSecret: Buffer.alloc(16, 1) },
    spawnWorker: (options) => new Worker(join(import.meta.dirname, 'udp-worker.cjs'), options),
    onFailure: (error) => {
      throw error;
    },
  });
  return dns.server.port;
}

async function serveDgram(): Promise<number> {
  const cluster = new ClusterZone(zone);
  cluster.load(stored(Number(services)));
  cluster.setSynced(true);
  const answerer = new Answerer();
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', (request, { port: to, address }) => {
    const reply = Buffer.allocUnsafe(1232);
    const length = answerer.answer(cluster.table, request, request.length, reply, false);
    socket.send(reply, 0, length, to, address);
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.bind(Number(port), '127.0.0.1', () => resolve(socket.address().port));
  return promise;
}

const serving = await (mode === 'dgram' ? serveDgram() : servePodwire());
process.stdout.write(`serves on port ${serving}\n`);
process.stdin.on('end', () => process.exit(0)).resume();
