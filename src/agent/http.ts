import { createServer, type Server } from 'node:http';
import type { BindAddress } from './kube-proxy/bind-address.ts';

const HEADERS_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 100;
/** How soon a port that was taken is tried again; kube-proxy's period. */
const RETRY_MS = 5_000;
/** How long a server that moved elsewhere finishes what it was asked. */
const RETIRE_MS = 5_000;

/** An answer to a GET. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/** What is answered at which path. */
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Answer | Promise<Answer>>>;

/** A server that keeps trying to listen. */
export class HttpServer implements Disposable {
  readonly #server: Server;
  #retry: NodeJS.Timeout | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Serves `routes`. A port that is taken is reported and tried again until it is free; with
   * `hardFail` it rejects instead. `onError` gets what goes wrong.
   */
  static async open(
    address: BindAddress,
    routes: Routes,
    options: { readonly hardFail: boolean; onError(error: Error): void; onListening?(): void },
  ): Promise<HttpServer> {
    const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      void answerOf(routes, request.method ?? '', url).then(({ status, body, type }) => {
        response.writeHead(status, {
          'Content-Type': type ?? 'text/plain; charset=utf-8',
          'X-Content-Type-Options': 'nosniff',
          // By this an agent that starts tells another one from a kube-proxy.
          Server: 'podwire',
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
    });
    server.maxConnections = CONNECTIONS_MAX;
    const http = new HttpServer(server);
    const listen = async (): Promise<void> => {
      await listenOn(server, address);
      options.onListening?.();
      server.on('error', (error) => options.onError(error));
    };
    try {
      await listen();
    } catch (error) {
      if (options.hardFail) throw error;
      const again = (reason: unknown): void => {
        options.onError(reason instanceof Error ? reason : new Error(String(reason)));
        http.#retry = setTimeout(() => void listen().catch(again), RETRY_MS);
        http.#retry.unref();
      };
      again(error);
    }
    return http;
  }

  /** Where it listens, once it does. */
  get address(): ReturnType<Server['address']> {
    return this.#server.address();
  }

  /** Takes nothing new, and ends when it has answered what it was asked. */
  retire(): void {
    clearTimeout(this.#retry);
    this.#server.close();
    setTimeout(() => this.#server.closeAllConnections(), RETIRE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function answerOf(
  routes: Routes,
  method: string,
  { pathname: path, searchParams }: URL,
): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'only GET and HEAD\n' };
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) {
    return { status: 404, body: `there are ${Object.keys(routes).join(', ')}\n` };
  }
  try {
    return await route(searchParams);
  } catch (error) {
    return { status: 500, body: `${String(error)}\n` };
  }
}

/** All addresses of IPv4 are those of IPv6 too, as where Go listens; unless there is no IPv6. */
async function listenOn(server: Server, { host, port }: BindAddress): Promise<void> {
  if (host !== '0.0.0.0') return listenAt(server, host, port);
  try {
    await listenAt(server, '::', port);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAFNOSUPPORT')) throw error;
    await listenAt(server, host, port);
  }
}

function listenAt(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (): void => {
    server.off('error', reject);
    resolve();
  };
  server.once('error', (error) => {
    server.off('listening', done);
    reject(error);
  });
  server.once('listening', done);
  server.listen({ host, port });
  return promise;
}
