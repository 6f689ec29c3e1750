import { Agent, request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { NODE_NAME, namespaces, type Size, serviceAt, sliceAt } from './proxy-objects.ts';
import { API_ADDRESS, NODE_ADDRESS } from './proxy-room.ts';

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

const REQUESTS_AT_ONCE = 24;
const agent = new Agent({ keepAlive: true, maxSockets: REQUESTS_AT_ONCE });

function call(method: string, path: string, body?: unknown): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = httpsRequest(
    {
      agent,
      host: API_ADDRESS,
      port: 6443,
      path,
      method,
      rejectUnauthorized: false,
      headers: {
        authorization: 'Bearer bench',
        'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
      },
    },
    (response) => {
      response.on('error', reject).on('end', () => resolve(response.statusCode ?? 0));
      response.resume();
    },
  );
  request.on('error', reject);
  request.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

async function must(method: string, path: string, body: unknown): Promise<void> {
  const status = await call(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status}`);
}

const servicesPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/services`;
const slicesPath = (namespace: string): string =>
  `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;

async function add(index: number, size: Size): Promise<void> {
  const [service, slice] = [serviceAt(index), sliceAt(index, size)];
  await must('POST', servicesPath(service.metadata.namespace), service);
  await must('POST', slicesPath(slice.metadata.namespace), slice);
}

async function load(size: Size): Promise<void> {
  await must('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: NODE_NAME },
  });
  await must('PATCH', `/api/v1/nodes/${NODE_NAME}/status`, {
    status: { addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }] },
  });
  for (const name of namespaces()) {
    await must('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    });
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
