import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { MESSAGE_BYTES_MAX } from '../message/encode.ts';
import type { Message } from '../message/message.ts';
import { ForwardError } from './error.ts';
import { encodeQuery, readReply } from './query.ts';
import { formatUpstream, type UpstreamAddress } from './upstream-address.ts';

/** Connections to one upstream. */
const CONNECTIONS_MAX = 8;
/** Queries under way on one connection before another one is opened (RFC 7766 section 6.2.1.1). */
const PIPELINE_QUERIES = 64;
/** Queries under way on one connection at most. */
const PIPELINE_QUERIES_MAX = 1024;
/** A connection that has nothing to do is closed. */
const IDLE_TIMEOUT_MS = 10_000;

/** What TLS is to know beyond the upstream's address. */
export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** How connections are made. */
export interface StreamOptions {
  readonly source: string | undefined;
  readonly tls: TlsFiles | undefined;
  readonly idleTimeoutMs?: number;
  /** Whether a query found a connection open. */
  readonly onConnection: (isReused: boolean) => void;
}

interface Waiting {
  readonly query: Message;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: ForwardError) => void;
}

/** A few connections to one upstream, by TCP or TLS; answers may come in any order. */
export class StreamPool {
  readonly #upstream: UpstreamAddress;
  readonly #options: StreamOptions;
  readonly #connections = new Set<Connection>();

  constructor(upstream: UpstreamAddress, options: StreamOptions) {
    this.#upstream = upstream;
    this.#options = options;
  }

  /** Asks on an open connection, or on a new one. Rejects with ForwardError. */
  async ask(query: Message, timeoutMs: number): Promise<Message> {
    const deadline = performance.now() + timeoutMs;
    const found = this.#pick();
    this.#options.onConnection(found !== undefined);
    if (found !== undefined) {
      try {
        return await found.ask(query, timeoutMs);
      } catch (error) {
        // The other side may have closed what was idle just as we wrote: that says nothing of it.
        const leftMs = deadline - performance.now();
        if (!(error instanceof ForwardError) || error.problem !== 'network' || leftMs <= 0)
          throw error;
        return await this.#open().ask(query, leftMs);
      }
    }
    return await this.#open().ask(query, timeoutMs);
  }

  /** Closes all connections; queries under way are rejected. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** The connection with the least to do, unless a new one is better. */
  #pick(): Connection | undefined {
    let best: Connection | undefined;
    for (const connection of this.#connections) {
      if (best === undefined || connection.waiting < best.waiting) best = connection;
    }
    if (best === undefined) return undefined;
    const mayOpen = this.#connections.size < CONNECTIONS_MAX;
    return best.waiting >= PIPELINE_QUERIES && mayOpen ? undefined : best;
  }

  #open(): Connection {
    const connection = new Connection(this.#upstream, this.#options, () =>
      this.#connections.delete(connection),
    );
    this.#connections.add(connection);
    return connection;
  }
}

class Connection {
  readonly #to: string;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #idleTimeoutMs: number;
  #pending: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #isClosed = false;

  constructor(upstream: UpstreamAddress, options: StreamOptions, onClose: () => void) {
    this.#to = `${upstream.transport === 'tls' ? 'tls://' : ''}${formatUpstream(upstream)}`;
    this.#socket = openSocket(upstream, options);
    this.#idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    const fail = (why: string, cause?: Error): void => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      onClose();
      this.#socket.destroy();
      const all = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of all) {
        reject(new ForwardError('network', `${this.#to}: ${why}`, cause && { cause }));
      }
    };
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => fail(error.message, error));
    this.#socket.on('close', () => fail('closed by the other side'));
    this.#socket.on('end', () => fail('closed by the other side'));
    this.#socket.on('timeout', () => fail('idle'));
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** How many queries are under way. */
  get waiting(): number {
    return this.#waiting.size;
  }

  close(): void {
    this.#socket.destroy();
  }

  async ask(query: Message, timeoutMs: number): Promise<Message> {
    if (this.#waiting.size >= PIPELINE_QUERIES_MAX) {
      throw new ForwardError('overload', `${this.#to}: ${PIPELINE_QUERIES_MAX} queries under way`);
    }
    let { id, wire } = encodeQuery(query);
    while (this.#waiting.has(id)) ({ id, wire } = encodeQuery(query));
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiting.set(id, { query, resolve, reject });
    this.#socket.setTimeout(0);
    const timer = setTimeout(() => {
      reject(new ForwardError('timeout', `${this.#to}: no answer in ${Math.round(timeoutMs)} ms`));
      // A connection that is silent may be dead; new queries shall not wait for it.
      if (this.#waiting.size <= 1) this.#socket.destroy();
    }, timeoutMs);
    const framed = Buffer.allocUnsafe(2 + wire.length);
    framed.writeUInt16BE(wire.length, 0);
    framed.set(wire, 2);
    this.#socket.write(framed);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0 && !this.#isClosed) {
        this.#socket.setTimeout(this.#idleTimeoutMs);
      }
    }
  }

  #read(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 2) {
      const length = this.#pending.readUInt16BE(0);
      if (this.#pending.length < 2 + length) return;
      this.#answer(this.#pending.subarray(2, 2 + length));
      this.#pending = this.#pending.subarray(2 + length);
    }
    if (this.#pending.length > MESSAGE_BYTES_MAX + 2) this.#socket.destroy();
  }

  #answer(bytes: Buffer): void {
    const id = bytes.length >= 2 ? bytes.readUInt16BE(0) : -1;
    const waiting = this.#waiting.get(id);
    // What nobody waits for any more came too late.
    if (waiting === undefined) return;
    const reply = readReply(bytes, id, waiting.query);
    if (reply !== undefined) waiting.resolve(reply);
    else
      waiting.reject(new ForwardError('protocol', `${this.#to}: the answer to another question`));
  }
}

function openSocket(upstream: UpstreamAddress, options: StreamOptions): Socket {
  const target = {
    host: upstream.addr.toString(),
    port: upstream.port,
    ...(options.source === undefined ? {} : { localAddress: options.source }),
  };
  if (upstream.transport === 'dns') return connect(target);
  const { tls } = options;
  return connectTls({
    ...target,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['dot'],
    ...(upstream.serverName === '' ? {} : { servername: upstream.serverName }),
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
  });
}
