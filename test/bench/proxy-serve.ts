import { createInterface } from 'node:readline';
import { decodeObject } from '../../src/cluster/decode.ts';
import { ManifestSource } from '../../src/cluster/manifests/source.ts';
import type { ClusterObject } from '../../src/cluster/objects.ts';
import { Store } from '../../src/cluster/store.ts';
import { serviceAt, sliceAt } from './proxy-objects.ts';
import { startProxy } from './proxy-start.ts';

/*
 * Our proxy alone, in the namespace it is started in, for `proxy.ts` to measure: a directory of
 * manifests, the store, the model and the backend of a mode, as the agent has them. Prints a line of JSON
 * when all rules are committed. Each line on stdin asks for changes that go into the store, not
 * through a file; the answer is how long each took from there to its commit.
 */

/** One change of the store at a time: a new Service, or a first endpoint that moves. */
interface Ask {
  readonly kind: 'service' | 'endpoint';
  readonly count: number;
}

const [path = '', services = '0', endpoints = '0', mode = 'nftables'] = process.argv.slice(2);
const size = { services: Number(services), endpoints: Number(endpoints) };
const store = new Store();
// One part for both, for what is in the first goes before all others.
const part = store.part();
using source = new ManifestSource(path, part, {
  onError(error) {
    throw error;
  },
  onRecovered() {},
});
source.start();
const readAt = performance.now();
let committed = Promise.withResolvers<number>();
const first = committed.promise;
using _proxy = startProxy(store, mode, (at) => committed.resolve(at));
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
