import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { BindAddress } from './kube-proxy/bind-address.ts';

const HEADERS_TIMEOUT_MS = 5_000;
/** A request has no body that anybody reads; one that comes slowly keeps a connection. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 100;
/** How soon a place that was taken is tried again; kube-proxy's period. */
const RETRY_MS = 5_000;
/** How long a server that moved elsewhere finishes what it was asked. */
const RETIRE_MS = 5_000;

/** What is answered. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is answered to one who asks with a query. */
export type Route = (query: URLSearchParams, request: IncomingMessage) => Answer | Promise<Answer>;

/** What is answered at which path: to a GET, or after `POST ` to a POST. */
export type Routes = Readonly<Record<string, Route>>;

/** How a server is opened. */
export interface HttpOptions {
  /** Rejects where the place is taken, in place of trying again. */
  readonly hardFail: boolean;
  /** Gets what goes wrong. */
  onError(error: Error): void;
  /** Called when it listens. */
  onListening?(): void;
}

/** Where a server listens. */
export interface Place {
  /** Resolves when it listens. May be called again after a rejection. */
  listen(server: Server): Promise<void>;
  /** Lets go of what `listen` took, once the server is closed. */
  release?(): void;
}

/** A server that keeps trying to listen. */
export class HttpServer implements Disposable {
  readonly #server: Server;
  readonly #place: Place;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(server: Server, place: Place) {
    this.#server = server;
    this.#place = place;
  }

  /**
   * Serves `routes`. A place that is taken is reported and tried again until it is free; with
   * `hardFail` it rejects instead.
   */
  static async open(place: Place, routes: Routes, options: HttpOptions): Promise<HttpServer> {
    const limits = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
    const server = createServer(limits, (request, response) => {
      void respond(routes, request, response);
    });
    server.maxConnections = CONNECTIONS_MAX;
    const http = new HttpServer(server, place);
    const listen = async (): Promise<void> => {
      await place.listen(server);
      if (http.#isClosed) return http.#end();
      options.onListening?.();
      server.on('error', (error) => options.onError(error));
    };
    try {
      await listen();
    } catch (error) {
      if (options.hardFail) throw error;
      const again = (reason: unknown): void => {
        if (http.#isClosed) return;
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
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#server.close(() => this.#place.release?.());
    setTimeout(() => this.#server.closeAllConnections(), RETIRE_MS).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#place.release?.();
  }
}

/** An address and port; all addresses of IPv4 are those of IPv6 too, as where Go listens. */
export function tcpPlace({ host, port }: BindAddress): Place {
  return {
    async listen(server) {
      if (host !== '0.0.0.0') return listenAt(server, { host, port });
      try {
        await listenAt(server, { host: '::', port });
      } catch (error) {
        // There is no IPv6.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAFNOSUPPORT') throw error;
        await listenAt(server, { host, port });
      }
    },
  };
}

/** Resolves when the server listens there, rejects when it can't. */
export function listenAt(
  server: Server,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
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
  server.listen(where);
  return promise;
}

async function respond(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, body, type, headers } = await answerOf(routes, request);
  response.writeHead(status, {
    'Content-Type': type ?? 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    // By this an agent that starts tells another one from a kube-proxy.
    Server: 'podwire',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerOf(routes: Routes, request: IncomingMessage): Promise<Answer> {
  const { method = '' } = request;
  // Such as `//`, which is no URL.
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) return { status: 400, body: 'expected a path\n' };
  const { pathname, searchParams } = url;
  const reading = find(routes, pathname);
  const changing = find(routes, `POST ${pathname}`);
  if (reading === undefined && changing === undefined) {
    return { status: 404, body: `there are ${Object.keys(routes).join(', ')}\n` };
  }
  const route = method === 'POST' ? changing : reading;
  if (route === undefined || !['GET', 'HEAD', 'POST'].includes(method)) {
    const body = changing === undefined ? 'only GET and HEAD\n' : 'only POST\n';
    return { status: 405, body };
  }
  try {
    return await route(searchParams, request);
  } catch (error) {
    return { status: 500, body: `${String(error)}\n` };
  }
}

function find(routes: Routes, key: string): Route | undefined {
  return Object.hasOwn(routes, key) ? routes[key] : undefined;
}
