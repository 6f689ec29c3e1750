import type { EventEmitter } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { PodwireError } from '../../errors.ts';
import { Http2Session } from '../connect/session.ts';
import { openSocket } from '../connect/socket.ts';
import type { Access } from './access.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** How often the server is asked whether it is there. */
const PING_INTERVAL_MS = 10_000;

/** An API server said no, or something else than an answer. */
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

/** What is asked. */
export interface Request {
  readonly method: 'GET' | 'PATCH';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

/** A way to an API server that carries any number of requests. */
export interface Connection extends Disposable {
  /** Whether it takes another request. */
  readonly isUsable: boolean;
  /** Takes no more requests, and ends when those there are have. */
  retire(): void;
  /** Rejects with KubeError or ConnectError, or with the signal's reason. */
  send(request: Request): Promise<Answer>;
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

/** Connects. Rejects with ConnectError or AccessError. */
export async function openConnection(
  access: Access,
  limits: ConnectionLimits,
): Promise<Connection> {
  const { server } = access;
  const socket = await openSocketTo(access, limits.connectTimeoutMs);
  if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') {
    return new Http2Connection(new Http2Session(server, socket, limits.pingIntervalMs));
  }
  return new Http1Connection(access, socket, limits.connectTimeoutMs);
}

/** Opens a socket to the API server. */
async function openSocketTo(access: Access, timeoutMs: number): Promise<Socket> {
  const { server } = access;
  return openSocket({ server, tls: () => access.tls(), alpn: ['h2', 'http/1.1'], timeoutMs });
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

function failure(origin: string, error: Error): PodwireError {
  if (error instanceof PodwireError) return error;
  return new KubeError(`${origin}: ${error.message}`, undefined, 0, { cause: error });
}

/** All requests on one socket. */
class Http2Connection implements Connection {
  readonly #session: Http2Session;

  constructor(session: Http2Session) {
    this.#session = session;
  }

  get isUsable(): boolean {
    return this.#session.isUsable;
  }

  async send({ method, path, headers, body, signal }: Request): Promise<Answer> {
    const { session, origin } = this.#session;
    const stream = session.request(
      { ...headers, ':method': method, ':path': path },
      { signal, endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    const answer = await firstOf<Record<string, unknown>>(stream, 'response', origin);
    const retryAfter = answer['retry-after'];
    return {
      status: Number(answer[constants.HTTP2_HEADER_STATUS]),
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      body: stream,
    };
  }

  retire(): void {
    this.#session.retire();
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
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

  async send({ method, path, headers, body, signal }: Request): Promise<Answer> {
    const first = this.#first;
    this.#first = undefined;
    const isOpen = first !== undefined && !first.destroyed && first.readable;
    const socket = isOpen ? first : await openSocketTo(this.#access, this.#connectTimeoutMs);
    const { host, origin } = this.#access.server;
    const request = httpRequest({
      method,
      path,
      headers: { ...headers, host, connection: 'close' },
      createConnection: () => socket,
      signal,
    });
    request.end(body);
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
