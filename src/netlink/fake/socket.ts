import { ENOBUFS, SysError } from '../../sys/errno.ts';
import type { Transport } from '../transport.ts';

/** Datagrams kept for a reader who does not read; one more is lost, as in the kernel. */
const QUEUE_LENGTH_MAX = 10_000;

/** A socket to the fake kernel. */
export class FakeSocket implements Transport {
  readonly portId = process.pid;
  readonly #send: (datagram: Uint8Array) => void;
  readonly #queue: Uint8Array[] = [];
  readonly #groups = new Set<number>();
  #watchers: (() => void)[] = [];
  #overrun = false;
  #isOpen = true;

  /** `send` takes what the owner of the socket sends. */
  constructor(send: (datagram: Uint8Array) => void) {
    this.#send = send;
  }

  send(datagram: Uint8Array): void {
    this.#mustBeOpen();
    this.#send(datagram.slice());
  }

  /** There is no other thread: it is handled now. */
  sendAside(datagram: Uint8Array): void {
    this.send(datagram);
  }

  /** Nothing will come later, so a socket that waits gives up at once. */
  receive(): Uint8Array | undefined {
    this.#mustBeOpen();
    if (this.#overrun) {
      this.#overrun = false;
      throw new SysError('recvfrom', ENOBUFS, 'fake netlink socket');
    }
    return this.#queue.shift();
  }

  join(group: number): void {
    this.#groups.add(group);
  }

  watch(onReadable: () => void): Disposable {
    this.#watchers.push(onReadable);
    this.#wake();
    return {
      [Symbol.dispose]: () => {
        this.#watchers = this.#watchers.filter((each) => each !== onReadable);
      },
    };
  }

  close(): void {
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether the owner joined the group. */
  hears(group: number): boolean {
    return this.#isOpen && this.#groups.has(group);
  }

  /** Brings a datagram from the kernel, or loses it when there are too many. */
  deliver(datagram: Uint8Array): void {
    if (this.#queue.length >= QUEUE_LENGTH_MAX) this.#overrun = true;
    else this.#queue.push(datagram);
    this.#wake();
  }

  /** Makes the next receive fail with ENOBUFS. */
  overrun(): void {
    this.#overrun = true;
    this.#wake();
  }

  #wake(): void {
    if (this.#watchers.length === 0) return;
    setImmediate(() => {
      if (this.#isOpen) for (const watcher of this.#watchers) watcher();
    });
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw new Error('fake netlink socket is closed');
  }
}
