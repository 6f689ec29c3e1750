import { createServer, type Server, type Socket } from 'node:net';
import { connectionAddress } from './address.ts';
import { TcpConnection, type TcpHandler } from './tcp-connection.ts';
import type { TcpLimits } from './tcp-limits.ts';

/** DNS over TCP (RFC 7766): many queries on one connection, answered as they are ready. */
export class TcpServer {
  readonly #server: Server;
  readonly #limits: TcpLimits;
  readonly #handler: TcpHandler;
  readonly #connections = new Set<TcpConnection>();
  readonly #perClient = new Map<string, number>();
  #refused = 0;

  constructor(handler: TcpHandler, limits: TcpLimits) {
    this.#handler = handler;
    this.#limits = limits;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.on('drop', () => {
      this.#refused += 1;
    });
  }

  /** Connections closed at once, for there were too many. */
  get refused(): number {
    return this.#refused;
  }

  /** Listens on a socket that is bound, and becomes its owner. Rejects when it can't. */
  async listen(fd: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ fd, backlog: this.#limits.connectionsMax }, resolve);
    await promise;
    this.#server.off('error', reject);
  }

  /** Takes no new connections, lets what is being answered be answered, and closes the rest. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections) connection.finish();
    await promise;
  }

  #accept(socket: Socket): void {
    const peer = connectionAddress(socket.remoteAddress);
    const local = connectionAddress(socket.localAddress);
    const port = socket.remotePort;
    const key = `${peer ?? ''}`;
    const open = this.#perClient.get(key) ?? 0;
    // A client that is gone already has no address any more.
    if (peer === undefined || local === undefined || port === undefined) {
      socket.destroy();
      return;
    }
    if (open >= this.#limits.connectionsPerClientMax) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    this.#perClient.set(key, open + 1);
    const context = { client: peer, clientPort: port, local, transport: 'tcp' } as const;
    const connection = new TcpConnection(socket, context, this.#handler, this.#limits);
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      const left = (this.#perClient.get(key) ?? 1) - 1;
      if (left === 0) this.#perClient.delete(key);
      else this.#perClient.set(key, left);
    });
  }
}
