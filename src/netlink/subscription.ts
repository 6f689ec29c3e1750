import { ENOBUFS, SysError } from '../sys/errno.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Netns } from '../sys/netns.ts';
import { DecodeError } from './codec-error.ts';
import { type Message, splitMessages } from './message.ts';
import type { Transport } from './transport.ts';

/** The event loop gets its turn after this many datagrams; the rest waits in the kernel. */
const DATAGRAMS_PER_TURN_MAX = 64;
/** What the kernel keeps for us before it drops messages and says so: some ten thousand of them. */
const RECEIVE_BUFFER_BYTES = 8 << 20;

/** What a subscription is made with. */
export interface SubscriptionOptions {
  /** The netlink protocol, such as NETLINK_ROUTE 0 (linux/netlink.h). */
  readonly protocol: number;
  /** Multicast groups, such as RTNLGRP_LINK 1 or NFNLGRP_NFTABLES 7. */
  readonly groups: readonly number[];
  /** The namespace to listen in; without it, the one the thread is in. */
  readonly netns?: Netns | undefined;
  /** Takes one message; its payload is valid during the call only. */
  readonly onMessage: (message: Message) => void;
  /**
   * Messages were lost, for they came faster than they were taken. All that had come before are gone
   * through when this is called, so listing anew here and going on with what comes next is right.
   */
  readonly onLost: () => void;
  /** The socket failed and the subscription has closed. Without it the error is thrown. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * The kernel's own messages about changes, on the event loop, from the moment of `open` until
 * `close`. Subscribe first and list after that: what changes in between then comes twice, which a
 * reader that compares can stand, and never not at all. An open subscription keeps the process alive.
 *
 * Nothing is queued here. What is not taken yet waits in the kernel's buffer, and what does not fit
 * there is dropped and reported by `onLost`.
 */
export class Subscription implements Disposable {
  readonly #transport: Transport;
  readonly #options: Pick<SubscriptionOptions, 'onMessage' | 'onLost' | 'onError'>;
  readonly #watch: Disposable;
  #next: NodeJS.Immediate | undefined;
  #lost = false;
  #closed = false;

  private constructor(transport: Transport, options: SubscriptionOptions) {
    this.#transport = transport;
    this.#options = options;
    for (const group of options.groups) transport.join(group);
    this.#watch = transport.watch(() => this.#turn());
  }

  /** Opens a socket and joins the groups. Throws SysError, such as EPERM for a group of root's. */
  static open(options: SubscriptionOptions): Subscription {
    const { protocol, netns } = options;
    const open = (): NetlinkSocket =>
      NetlinkSocket.open(protocol, { receiveBufferBytes: RECEIVE_BUFFER_BYTES });
    return Subscription.over(netns === undefined ? open() : netns.run(open), options);
  }

  /** The same over a transport that is open; it is closed with the subscription, or when this fails. */
  static over(transport: Transport, options: SubscriptionOptions): Subscription {
    using stack = new DisposableStack();
    stack.use(transport);
    const subscription = new Subscription(transport, options);
    stack.move();
    return subscription;
  }

  /** Ends it; a second call does nothing. No callback is called after this. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearImmediate(this.#next);
    this.#watch[Symbol.dispose]();
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Takes what is there, so much that the event loop is not held up. */
  #turn(): void {
    // Readable while the rest of an earlier turn is due: that turn takes it.
    if (this.#closed || this.#next !== undefined) return;
    for (let taken = 0; taken < DATAGRAMS_PER_TURN_MAX; taken += 1) {
      const datagram = this.#receive();
      if (this.#closed) return;
      if (datagram === 'empty') {
        if (this.#lost) this.#resume();
        return;
      }
      if (datagram !== 'lost' && !this.#lost) this.#deliver(datagram);
      else this.#lost = true;
      if (this.#closed) return;
    }
    this.#next = setImmediate(() => {
      this.#next = undefined;
      this.#turn();
    });
  }

  #receive(): Uint8Array | 'empty' | 'lost' {
    try {
      return this.#transport.receive({ wait: false }) ?? 'empty';
    } catch (error) {
      if (error instanceof SysError && error.errno === ENOBUFS) return 'lost';
      const { onError } = this.#options;
      this.close();
      if (onError === undefined) throw error;
      onError(error);
      return 'empty';
    }
  }

  /**
   * After a loss the kernel drops everything until its buffer is empty, so the gap lies behind what
   * was in it. Now that it is, whatever comes next is newer than any list made from here on.
   */
  #resume(): void {
    this.#lost = false;
    this.#options.onLost();
  }

  #deliver(datagram: Uint8Array): void {
    const messages = splitMessages(datagram);
    for (;;) {
      const message = this.#nextMessage(messages);
      if (message === undefined || this.#closed) return;
      this.#options.onMessage(message);
      if (this.#closed) return;
    }
  }

  /** A datagram that cannot be split is as good as lost: the owner lists anew. */
  #nextMessage(messages: Generator<Message>): Message | undefined {
    try {
      const { value, done } = messages.next();
      return done === true ? undefined : value;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#lost = true;
      return undefined;
    }
  }
}
