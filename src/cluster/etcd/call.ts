import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { PodwireError } from '../../errors.ts';
import { FrameSplitter, frame } from './frames.ts';

const SHOWN_CHARACTERS_MAX = 300;
const HTTP_OK = 200;

/** Codes of gRPC that are acted on (https://grpc.io/docs/guides/status-codes/). */
export const CODE = {
  OK: 0,
  PERMISSION_DENIED: 7,
  OUT_OF_RANGE: 11,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** etcd said no, or something else than an answer. */
export class EtcdError extends PodwireError {
  /** A code of gRPC; undefined when there was no answer. */
  readonly status: number | undefined;

  constructor(problem: string, status?: number, options?: ErrorOptions) {
    super('ERR_ETCD', problem, options);
    this.status = status;
  }
}

/** Where a call goes, and how. */
export interface CallOptions {
  readonly session: ClientHttp2Session;
  /** The server, for people. */
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One call of a procedure: messages go there and come back, as many as both sides like. */
export class Call implements Disposable {
  readonly #stream: ClientHttp2Stream;
  readonly #origin: string;
  #head: IncomingHttpHeaders = {};
  #tail: IncomingHttpHeaders = {};

  constructor({ session, origin, path, headers, signal }: CallOptions) {
    this.#origin = origin;
    this.#stream = session.request(
      {
        ...headers,
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      },
      { signal },
    );
    this.#stream.on('response', (headers) => {
      this.#head = headers;
    });
    this.#stream.on('trailers', (headers) => {
      this.#tail = headers;
    });
    // Whoever reads the messages is told; before that it must not be unheard.
    this.#stream.on('error', () => {});
  }

  send(message: Uint8Array): void {
    this.#stream.write(frame(message));
  }

  /** Nothing more is sent. */
  end(): void {
    this.#stream.end();
  }

  /** The messages that come. Throws EtcdError when it ends with a status, ConnectError when it is cut off. */
  async *messages(): AsyncGenerator<Uint8Array, undefined> {
    const splitter = new FrameSplitter();
    try {
      for await (const chunk of this.#stream) yield* splitter.push(chunk as Uint8Array);
    } catch (error) {
      if (error instanceof PodwireError || (error as Error).name === 'AbortError') throw error;
      throw new EtcdError(`${this.#origin}: ${(error as Error).message}`, undefined, {
        cause: error,
      });
    } finally {
      this.#stream.destroy();
    }
    this.#checkStatus();
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }

  #checkStatus(): void {
    const http = Number(this.#head[':status'] ?? 0);
    if (http === 0) throw new EtcdError(`${this.#origin}: closed without an answer`);
    // Without a message there are no trailers: the status is at the head.
    const status = this.#tail['grpc-status'] ?? this.#head['grpc-status'];
    if (http !== HTTP_OK || status === undefined) {
      throw new EtcdError(`${this.#origin}: expected an answer of gRPC, got HTTP status ${http}`);
    }
    if (Number(status) === CODE.OK) return;
    const message = this.#tail['grpc-message'] ?? this.#head['grpc-message'];
    throw new EtcdError(`${this.#origin}: ${textOf(message)}`, Number(status));
  }
}

/** A message as gRPC puts it into a header: octets beyond printable ASCII are escaped by %. */
function textOf(message: string | string[] | undefined): string {
  const text = String(message ?? 'no reason given').slice(0, SHOWN_CHARACTERS_MAX);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
