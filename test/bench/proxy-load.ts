import { createInterface } from 'node:readline';
import { call, must, REQUESTS_AT_ONCE, servicesPath, slicesPath } from './kube-requests.ts';
import { NODE_NAME, namespaces, type Size, serviceAt, sliceAt } from './proxy-objects.ts';
import { NODE_ADDRESS } from './proxy-room.ts';

/*
 * Puts Services into a kube-apiserver, from inside its namespace, for `proxy.ts`. Each line on stdin is
 * something to do, and is answered by a line when it is done.
 */

/** What is asked for: all of a size, a new Service, a first endpoint that moves, or whether it serves. */
export type Ask =
  | { readonly do: 'ready' }
  | { readonly do: 'load'; readonly size: Size }
  | { readonly do: 'service'; readonly index: number; readonly size: Size }
  | {
      readonly do: 'endpoint';
      readonly index: number;
      readonly size: Size;
      readonly moved: number;
    };

const CONFLICT = 409;

/** Creates it where it is not there yet. Gives whether it was. */
async function create(path: string, object: object): Promise<boolean> {
  const status = await call('POST', path, object);
  if (status >= 300 && status !== CONFLICT) throw new Error(`POST ${path}: ${status}`);
  return status === CONFLICT;
}

async function add(index: number, size: Size): Promise<void> {
  const [service, slice] = [serviceAt(index), sliceAt(index, size)];
  const { name, namespace } = slice.metadata;
  await create(servicesPath(namespace), service);
  const path = slicesPath(namespace);
  if (await create(path, slice)) await must('PUT', `${path}/${name}`, slice);
}

/** Has all of a size in the API server, where smaller ones or those of other endpoints may be. */
async function load(size: Size): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME } };
  await create('/api/v1/nodes', node);
  await must('PATCH', `/api/v1/nodes/${NODE_NAME}/status`, {
    status: { addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }] },
  });
  for (const name of namespaces()) {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await create('/api/v1/namespaces', namespace);
  }
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < size.services) {
      next += 1;
      await add(next - 1, size);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, work));
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
