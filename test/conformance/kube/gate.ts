import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a port of loopback that can be shut, cut and blocked, as networks are. */
export class Gate implements Disposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isShut = false;
  #isBlocked = false;
  #bytesLeft = Number.POSITIVE_INFINITY;
  #cuts = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Opens a way to `target`. */
  static async open(target: number): Promise<Gate> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('expected a port');
    const gate = new Gate(server, address.port);
    server.on('connection', (client) => gate.#join(client, connect(target, '127.0.0.1')));
    return gate;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Ends what is open, and every connection that comes. */
  shut(): void {
    this.#isShut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets nothing through, and does not say so. */
  block(): void {
    this.#isBlocked = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Lets everything through again. What was blocked stays lost. */
  reopen(): void {
    for (const socket of this.#isBlocked ? this.#sockets : []) socket.destroy();
    this.#isShut = false;
    this.#isBlocked = false;
  }

  /** Cuts the connection that carries the byte after so many from the server. */
  cutAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** How many connections were cut so. */
  get cuts(): number {
    return this.#cuts;
  }

  [Symbol.dispose](): void {
    this.shut();
    this.#server.close();
  }

  #join(client: Socket, server: Socket): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('data', (chunk: Buffer) => {
        if (from === client) {
          to.write(chunk);
          return;
        }
        const isCut = chunk.length > this.#bytesLeft;
        to.write(isCut ? chunk.subarray(0, this.#bytesLeft) : chunk);
        this.#bytesLeft -= chunk.length;
        if (!isCut) return;
        this.#bytesLeft = Number.POSITIVE_INFINITY;
        this.#cuts += 1;
        client.end();
        server.destroy();
      });
      if (this.#isShut) from.destroy();
      else if (this.#isBlocked) from.pause();
    }
  }
}
