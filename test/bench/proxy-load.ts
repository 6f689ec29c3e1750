import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { call, must, REQUESTS_AT_ONCE, servicesPath, slicesPath } from './kube-requests.ts';
import { NODE_NAME, namespaces, type Size, serviceAt, sliceAt } from './proxy-objects.ts';
import { ETCD_URL, NODE_ADDRESS } from './proxy-room.ts';

/*
 * Puts Services into a kube-apiserver, from inside its namespace, for `proxy.ts`. Each line on stdin is
 * something to do, and is answered by a line when it is done.
 */

/** What is asked for: all of a size, a new Service, a first endpoint that moves, or whether it serves. */
export type Ask =
  | { readonly do: 'ready' }
  | { readonly do: 'load'; readonly size: Size }
  /** The same past the API server, which takes it for its own: a minute less for ten thousand. */
  | { readonly do: 'store'; readonly size: Size }
  | { readonly do: 'service'; readonly index: number; readonly size: Size }
  | {
      readonly do: 'endpoint';
      readonly index: number;
      readonly size: Size;
      readonly moved: number;
    };

/** etcd takes 128 in one transaction by default. */
const PUTS_AT_ONCE = 100;

/** There is one of that name; or its cluster IP is taken, by itself. */
const CONFLICTS = [409, 422];

/** Creates it where it is not there yet. Gives whether it was. */
async function create(path: string, object: object): Promise<boolean> {
  const status = await call('POST', path, object);
  const isThere = CONFLICTS.includes(status);
  if (status >= 300 && !isThere) throw new Error(`POST ${path}: ${status}`);
  return isThere;
}

async function add(index: number, size: Size): Promise<void> {
  const [service, slice] = [serviceAt(index), sliceAt(index, size)];
  const { name, namespace } = slice.metadata;
  await create(servicesPath(namespace), service);
  const path = slicesPath(namespace);
  if (await create(path, slice)) await must('PUT', `${path}/${name}`, slice);
}

/** Has the node and the namespaces in the API server. */
async function prepare(): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME } };
  await create('/api/v1/nodes', node);
  await must('PATCH', `/api/v1/nodes/${NODE_NAME}/status`, {
    status: { addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }] },
  });
  for (const name of namespaces()) {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await create('/api/v1/namespaces', namespace);
  }
}

/** Has all of a size in the API server, where smaller ones or those of other endpoints may be. */
async function load(size: Size): Promise<void> {
  await prepare();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < size.services) {
      next += 1;
      await add(next - 1, size);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, work));
}

/** Puts all of a size where the API server keeps it. */
async function store(size: Size): Promise<void> {
  await prepare();
  let puts: object[] = [];
  const send = async (): Promise<void> => {
    const body = JSON.stringify({ success: puts });
    const answer = await fetch(`${ETCD_URL}/v3/kv/txn`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`etcd: ${answer.status}: ${await answer.text()}`);
    puts = [];
  };
  for (let index = 0; index < size.services; index += 1) {
    for (const object of [serviceAt(index), sliceAt(index, size)]) {
      const { name, namespace } = object.metadata;
      const place = object.kind === 'Service' ? 'services/specs' : 'endpointslices';
      puts.push(putOf(`/registry/${place}/${namespace}/${name}`, object));
    }
    if (puts.length >= PUTS_AT_ONCE) await send();
  }
  if (puts.length > 0) await send();
}

function putOf(key: string, object: { readonly metadata: { readonly name: string } }): object {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const { metadata } = object;
  const digits = createHash('sha256').update(key).digest('hex');
  const uid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
  const own = { ...metadata, uid, creationTimestamp: '2026-01-01T00:00:00Z' };
  const value = base64(JSON.stringify({ ...object, metadata: own }));
  return { requestPut: { key: base64(key), value } };
}

for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line) as Ask;
  switch (ask.do) {
    case 'ready':
      while ((await call('GET', '/readyz').catch(() => 0)) !== 200) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      break;
    case 'load':
      await load(ask.size);
      break;
    case 'store':
      await store(ask.size);
      break;
    case 'service':
      await add(ask.index, ask.size);
      break;
    case 'endpoint': {
      const slice = sliceAt(ask.index, ask.size, ask.moved);
      await must('PUT', `${slicesPath(slice.metadata.namespace)}/${slice.metadata.name}`, slice);
      break;
    }
  }
  process.stdout.write('done\n');
}
