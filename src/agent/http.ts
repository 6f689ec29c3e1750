import { createServer, type Server } from 'node:http';
import type { AgentMetrics } from './metrics.ts';

const HEADERS_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 100;

/** What is asked of the agent over HTTP. */
export interface Health {
  /** Why the agent can't do its work now, or undefined when it can. */
  notReady(): string | undefined;
}

/** Serves /healthz, /readyz and /metrics. Rejects when it can't listen. */
export async function serveHttp(
  host: string,
  port: number,
  health: Health,
  metrics: AgentMetrics,
): Promise<Server> {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type });
      response.end(text);
    };
    if (request.method !== 'GET') {
      answer(405, 'only GET\n');
      return;
    }
    switch (request.url ?? '') {
      case '/healthz':
        answer(200, 'ok\n');
        break;
      case '/readyz': {
        const reason = health.notReady();
        if (reason === undefined) answer(200, 'ok\n');
        else answer(503, `${reason}\n`);
        break;
      }
      case '/metrics':
        metrics.registry.metrics().then(
          (text) => answer(200, text, metrics.registry.contentType),
          (error: unknown) => answer(500, `${String(error)}\n`),
        );
        break;
      default:
        answer(404, 'there are /healthz, /readyz and /metrics\n');
    }
  });
  server.maxConnections = CONNECTIONS_MAX;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  await promise;
  return server;
}
