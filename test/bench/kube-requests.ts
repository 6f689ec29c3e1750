import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { LineSplitter } from '../../src/cluster/line-splitter.ts';
import { API_ADDRESS } from './proxy-room.ts';

/* What programs inside a room ask of its API server. */

export const REQUESTS_AT_ONCE = 24;
const ATTEMPTS_MAX = 5;
const PAUSE_MS = 200;
const agent = new Agent({ keepAlive: true, maxSockets: REQUESTS_AT_ONCE });

/** Asks, and gives the status; a server that has too much to do is asked again. */
export async function call(method: string, path: string, body?: unknown): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const status = await callOnce(method, path, body);
    const isBusy = status === 429 || status >= 500;
    if (!isBusy || attempt === ATTEMPTS_MAX) return status;
    await pause(attempt * PAUSE_MS);
  }
}

function callOnce(method: string, path: string, body?: unknown): Promise<number> {
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

/** Gives each line of an answer that does not end, until `signal` ends it. */
export async function* watch(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { authorization: 'Bearer bench' };
  const own = { host: API_ADDRESS, port: 6443, path, rejectUnauthorized: false, headers, signal };
  httpsRequest(own, resolve).on('error', reject).end();
  try {
    const splitter = new LineSplitter();
    for await (const chunk of await promise) yield* splitter.push(chunk as Uint8Array);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

export const servicesPath = (namespace: string): string =>
  `/api/v1/namespaces/${namespace}/services`;
export const slicesPath = (namespace: string): string =>
  `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
