import { setImmediate } from 'node:timers/promises';
import { PodwireError } from '../errors.ts';
import type { Netns } from '../sys/netns.ts';
import { Connection, type OnMessage, type Request } from './connection.ts';
import type { Ack } from './error.ts';
import type { Message } from './message.ts';
import type { Transport } from './transport.ts';

/** How long a dump may hold the event loop before others get their turn. */
const SLICE_MS = 5;
/** Requests that wait for their turn on one connection; one more is refused. */
const WAITING_MAX = 1024;

/** So many requests wait already that something is wrong with who asks. */
export class QueueFullError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NETLINK_QUEUE', `${operation}: ${WAITING_MAX} requests are waiting already`);
  }
}

/**
 * A Connection for the daemon: requests are made in the order asked, one after the other, each in a
 * turn of the event loop of its own, and a long dump is decoded in slices. The kernel still answers
 * inside send(2); what this saves is the time others would wait while we decode.
 */
export class AsyncConnection implements Disposable {
  readonly #connection: Connection;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Opens `protocol` in `netns`, or in the namespace the thread is in. It stays in that namespace. */
  static open(protocol: number, netns?: Netns): AsyncConnection {
    return new AsyncConnection(Connection.open(protocol, netns));
  }

  /** The same over a transport that is open; closed with it. */
  static over(transport: Transport): AsyncConnection {
    return new AsyncConnection(Connection.over(transport));
  }

  /** Like Connection.execute; rejects with what that throws, or with QueueFullError. */
  execute(request: Request, onMessage?: OnMessage): Promise<void> {
    return this.#inTurn(request.operation, async () => {
      await setImmediate();
      this.#connection.execute(request, onMessage);
    });
  }

  /** Like Connection.dump, in slices. */
  dump<T>(request: Request, decode: (message: Message) => T): Promise<T[]> {
    return this.#inTurn(request.operation, async () => {
      const steps = this.#connection.dumpInSteps(request, decode);
      try {
        for (;;) {
          await setImmediate();
          const sliceEnd = performance.now() + SLICE_MS;
          while (performance.now() < sliceEnd) {
            const { done, value } = steps.next();
            if (done === true) return value;
          }
        }
      } finally {
        // Closed in the middle of it: the connection must not stay taken.
        steps.return([]);
      }
    });
  }

  /** Like Connection.exchange. `datagram` must not change until it is done. */
  exchange(datagram: Uint8Array, last?: number): Promise<Map<number, Ack>> {
    return this.#inTurn(`batch of ${datagram.length} bytes`, async () => {
      await setImmediate();
      return this.#connection.exchange(datagram, last);
    });
  }

  /** The next sequence number, for the messages of a batch. */
  nextSequence(): number {
    return this.#connection.nextSequence();
  }

  /** Closes the socket; what still waits is rejected. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #inTurn<T>(operation: string, work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) return Promise.reject(new QueueFullError(operation));
    this.#waiting += 1;
    const result = this.#tail.then(work).finally(() => {
      this.#waiting -= 1;
    });
    // The next one goes on whatever became of this one.
    this.#tail = result.catch(() => {});
    return result;
  }
}
