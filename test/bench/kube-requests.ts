import { Agent, request as httpsRequest } from 'node:https';
import { API_ADDRESS } from './proxy-room.ts';

/* What programs inside a room ask of its API server. */

export const REQUESTS_AT_ONCE = 24;
const agent = new Agent({ keepAlive: true, maxSockets: REQUESTS_AT_ONCE });

/** Asks, and gives the status. */
export function call(method: string, path: string, body?: unknown): Promise<number> {
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

/** The same. Rejects when it is refused. */
export async function must(method: string, path: string, body?: unknown): Promise<void> {
  const status = await call(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status}`);
}

export const servicesPath = (namespace: string): string =>
  `/api/v1/namespaces/${namespace}/services`;
export const slicesPath = (namespace: string): string =>
  `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
