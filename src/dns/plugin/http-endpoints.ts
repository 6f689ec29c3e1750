import { createServer, type Server } from 'node:http';

const HEADERS_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 100;

/** What one path answers: a status and a text. */
export type HttpAnswer = () => Promise<HttpText> | HttpText;
export interface HttpText {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

interface Listener {
  readonly server: Server;
  /** By path; replaced whole, so that a request meets one Corefile's answers and no other's. */
  paths: ReadonlyMap<string, HttpAnswer>;
}

/**
 * The HTTP servers of plugins. They outlive a Corefile: an address the next one wants too is not
 * closed, and the old one's stay until the new one's are open.
 */
export class HttpListeners {
  readonly #listeners = new Map<string, Listener>();

  /** The ports of all that listen, by `host:port` as asked for; 0 may have been asked for. */
  get ports(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#listeners].map(([key, { server }]) => {
        const address = server.address();
        return [key, typeof address === 'object' ? (address?.port ?? 0) : 0];
      }),
    );
  }

  /**
   * Opens what is wanted and not there, then answers by `wanted` alone and closes the rest. Rejects,
   * with everything as it was, when one can't be opened.
   */
  async replace(wanted: HttpEndpoints): Promise<void> {
    const opened = new Map<string, Listener>();
    try {
      for (const [key, paths] of wanted.paths) {
        if (this.#listeners.has(key)) continue;
        opened.set(key, await listen(wanted.hostPort(key), paths));
      }
    } catch (error) {
      for (const { server } of opened.values()) close(server);
      throw error;
    }
    for (const [key, listener] of opened) this.#listeners.set(key, listener);
    for (const [key, listener] of this.#listeners) {
      const paths = wanted.paths.get(key);
      if (paths === undefined) {
        close(listener.server);
        this.#listeners.delete(key);
      } else {
        listener.paths = paths;
      }
    }
  }

  /** Closes everything. */
  close(): void {
    for (const { server } of this.#listeners.values()) close(server);
    this.#listeners.clear();
  }
}

/** What the plugins of one Corefile want to be asked by HTTP. */
export class HttpEndpoints {
  readonly paths = new Map<string, Map<string, HttpAnswer>>();
  readonly #addresses = new Map<string, { readonly host: string; readonly port: number }>();

  /** Answers GET of `path` on the address; what came first for a path stays. */
  add(host: string, port: number, path: string, respond: HttpAnswer): void {
    const key = `${host}:${port}`;
    this.#addresses.set(key, { host, port });
    const paths = this.paths.get(key) ?? new Map<string, HttpAnswer>();
    if (!paths.has(path)) paths.set(path, respond);
    this.paths.set(key, paths);
  }

  hostPort(key: string): { readonly host: string; readonly port: number } {
    return this.#addresses.get(key) ?? { host: '', port: 0 };
  }
}

async function listen(
  { host, port }: { readonly host: string; readonly port: number },
  paths: ReadonlyMap<string, HttpAnswer>,
): Promise<Listener> {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS });
  const listener: Listener = { server, paths };
  server.on('request', (request, response) => {
    void (async () => {
      const respond = listener.paths.get(request.url ?? '');
      let result: HttpText = { status: 404, text: 'not here\n' };
      try {
        if (respond !== undefined) result = await respond();
      } catch (error) {
        result = { status: 500, text: `${String(error)}\n` };
      }
      response.writeHead(result.status, { 'content-type': result.type ?? 'text/plain' });
      response.end(result.text);
    })();
  });
  server.maxConnections = CONNECTIONS_MAX;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(host === '' ? { port } : { host, port }, resolve);
  await promise;
  server.off('error', reject);
  return listener;
}

function close(server: Server): void {
  server.close();
  server.closeAllConnections();
}
