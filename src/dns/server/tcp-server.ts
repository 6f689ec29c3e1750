import { createServer, type Server, type Socket } from 'node:net';
import type { Table } from '../table/table.ts';
import { Answerer, TCP_BYTES_MAX } from './answer.ts';
import type { Counters } from './counters.ts';

const CONNECTIONS_MAX = 1000;
/** RFC 7766 section 6.2.3 leaves the time to the server; CoreDNS waits this long. */
const IDLE_TIMEOUT_MS = 10_000;
const QUERIES_PER_CONNECTION_MAX = 10_000;
/** A client that does not read its answers is cut off. */
const UNSENT_BYTES_MAX = 1 << 20;

/** DNS over TCP (RFC 7766): each message after its length; many queries on one connection. */
export class TcpServer {
  readonly #server: Server;
  readonly #table: () => Table | undefined;
  readonly #counters: Counters;
  readonly #answerer = new Answerer();
  readonly #reply = new Uint8Array(TCP_BYTES_MAX);
  readonly #sockets = new Set<Socket>();

  /** `table` gives the newest table each time. */
  constructor(table: () => Table | undefined, counters: Counters) {
    this.#table = table;
    this.#counters = counters;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Listens on `host` and `port`. Rejects when it can't. */
  async listen(host: string, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port, backlog: CONNECTIONS_MAX }, resolve);
    await promise;
    this.#server.off('error', reject);
  }

  /** Stops listening and cuts what is open. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #serve(socket: Socket): void {
    let pending = Buffer.alloc(0);
    let queries = 0;
    this.#sockets.add(socket);
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer<ArrayBuffer>) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= 2) {
        const length = pending.readUInt16BE(0);
        if (pending.length < 2 + length) return;
        const isAnswered = this.#answer(socket, pending.subarray(2, 2 + length));
        pending = pending.subarray(2 + length);
        queries += 1;
        const isTooMuch = queries >= QUERIES_PER_CONNECTION_MAX;
        if (!isAnswered || isTooMuch || socket.writableLength > UNSENT_BYTES_MAX) {
          socket.end();
          return;
        }
      }
    });
  }

  /** Gives false when what came is no query. */
  #answer(socket: Socket, request: Uint8Array): boolean {
    const table = this.#table();
    const length = this.#answerer.answer(table, request, request.length, this.#reply, true);
    if (length === 0) return false;
    this.#counters.answered(this.#answerer.rcode);
    const framed = Buffer.allocUnsafe(2 + length);
    framed.writeUInt16BE(length, 0);
    framed.set(this.#reply.subarray(0, length), 2);
    socket.write(framed);
    return true;
  }
}
