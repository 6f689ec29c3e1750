import type { EventEmitter } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, constants, connect as http2Connect } from 'node:http2';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { PodwireError } from '../../errors.ts';
import type { Access } from './access.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** How often the server is asked whether it is there, and how often it may keep silent in a row. */
const PING_INTERVAL_MS = 10_000;
const PINGS_UNANSWERED_MAX = 2;
/** What may be on the way to us, for one stream and for all. */
const STREAM_WINDOW_BYTES = 256 << 10;
const SESSION_WINDOW_BYTES = 1 << 20;

/** The connection to an API server failed, or the server said no. */
export class KubeError extends PodwireError {
  /** The HTTP status, or the code of a Status in a stream; undefined when there was no answer. */
  readonly status: number | undefined;
  /** What the server asked to wait (Retry-After), or 0. */
  readonly retryAfterMs: number;

  constructor(problem: string, status?: number, retryAfterMs = 0, options?: ErrorOptions) {
    super('ERR_KUBE', problem, options);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** An answer whose body is still to come. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Readable;
}

/** A way to an API server that carries any number of requests. */
export interface Connection extends Disposable {
  /** Whether it takes another request. */
  readonly isUsable: boolean;
  /** Takes no more requests, and ends when those there are have. */
  retire(): void;
  /** Sends a GET. Rejects with KubeError, or with the signal's reason. */
  get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer>;
}

/** How connections behave; tests have less time. */
export interface ConnectionLimits {
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  pingIntervalMs: PING_INTERVAL_MS,
};

/** Connects. Rejects with KubeError or AccessError. */
export async function openConnection(
  access: Access,
  limits: ConnectionLimits,
): Promise<Connection> {
  const { server } = access;
  const socket = await openSocket(access, limits.connectTimeoutMs);
  if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') {
    return new Http2Connection(server, socket, limits.pingIntervalMs);
  }
  return new Http1Connection(access, socket, limits.connectTimeoutMs);
}

async function openSocket(access: Access, timeoutMs: number): Promise<Socket> {
  const { server } = access;
  // An IPv6 address in a URL has brackets.
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const isTls = server.protocol === 'https:';
  const port = Number(server.port || (isTls ? 443 : 80));
  const socket = isTls
    ? tlsConnect({
        host,
        port,
        ALPNProtocols: ['h2', 'http/1.1'],
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(await access.tls()),
      })
    : netConnect({ host, port });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(isTls ? 'secureConnect' : 'connect', resolve);
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('closed by the server')));
  const timer = setTimeout(() => {
    socket.destroy(new Error(`no connection within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw connectError(server, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Says which side of TLS is at fault; OpenSSL's own words name neither. */
function connectError(server: URL, error: unknown): KubeError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const untrusted =
    /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      code,
    );
  const what = untrusted
    ? `the server's certificate is not trusted: ${message} (${code})`
    : message || code;
  return new KubeError(`${server.origin}: ${what}`, undefined, 0, { cause: error });
}

/** Resolves with the first `event`; rejects with KubeError when the emitter ends without it. */
async function firstOf<T>(emitter: EventEmitter, event: string, origin: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  emitter.once(event, resolve);
  // Stays: an error that comes later belongs to who reads the body, and must not be unheard.
  emitter.on('error', (error: Error) => {
    reject(error.name === 'AbortError' ? error : failure(origin, error));
  });
  emitter.once('close', () => reject(new KubeError(`${origin}: closed without an answer`)));
  return promise;
}

function failure(origin: string, error: Error): KubeError {
  if (error instanceof KubeError) return error;
  return new KubeError(`${origin}: ${error.message}`, undefined, 0, { cause: error });
}

/** All requests on one socket, which pings tell to be alive. */
class Http2Connection implements Connection {
  readonly #session: ClientHttp2Session;
  readonly #origin: string;
  #unanswered = 0;
  #isDraining = false;

  constructor(server: URL, socket: Socket, pingIntervalMs: number) {
    this.#origin = server.origin;
    const session = http2Connect(server.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    this.#session = session;
    session.once('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
    // Streams are told; the session has nothing to add.
    session.on('error', () => {});
    // The server wants new requests elsewhere; what runs may end here.
    session.on('goaway', () => {
      this.#isDraining = true;
    });
    const timer = setInterval(() => this.#ping(), pingIntervalMs);
    session.once('close', () => clearInterval(timer));
  }

  get isUsable(): boolean {
    return !this.#isDraining && !this.#session.closed && !this.#session.destroyed;
  }

  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const stream = this.#session.request(
      { ...headers, ':path': path },
      { signal, endStream: true },
    );
    const answer = await firstOf<Record<string, unknown>>(stream, 'response', this.#origin);
    const retryAfter = answer['retry-after'];
    return {
      status: Number(answer[constants.HTTP2_HEADER_STATUS]),
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      body: stream,
    };
  }

  retire(): void {
    this.#session.close();
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    // Counted, not timed: when this process was held up, an answer may be waiting to be read.
    if (this.#unanswered >= PINGS_UNANSWERED_MAX) {
      const problem = `${this.#origin}: the connection is dead, no answer to a ping`;
      this.#session.destroy(new KubeError(problem));
      return;
    }
    this.#unanswered += 1;
    this.#session.ping((error) => {
      if (error === null) this.#unanswered = 0;
    });
  }
}

/** A socket for each request, for servers without HTTP/2. */
class Http1Connection implements Connection {
  isUsable = true;
  readonly #access: Access;
  readonly #connectTimeoutMs: number;
  /** The one that told that there is no HTTP/2. */
  #first: Socket | undefined;

  constructor(access: Access, first: Socket, connectTimeoutMs: number) {
    this.#access = access;
    this.#first = first;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const first = this.#first;
    this.#first = undefined;
    const isOpen = first !== undefined && !first.destroyed && first.readable;
    const socket = isOpen ? first : await openSocket(this.#access, this.#connectTimeoutMs);
    const { host, origin } = this.#access.server;
    const request = httpRequest({
      path,
      headers: { ...headers, host, connection: 'close' },
      createConnection: () => socket,
      signal,
    });
    request.end();
    const message = await firstOf<IncomingMessage>(request, 'response', origin);
    return {
      status: message.statusCode ?? 0,
      retryAfter: message.headers['retry-after'],
      body: message,
    };
  }

  retire(): void {
    this.isUsable = false;
    this.#first?.destroy();
  }

  [Symbol.dispose](): void {
    this.#first?.destroy();
  }
}
