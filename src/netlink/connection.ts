import { PodwireError } from '../errors.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Netns } from '../sys/netns.ts';
import { type Ack, decodeAck, NetlinkError } from './error.ts';
import {
  encodeMessage,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_OVERRUN,
  splitMessages,
} from './message.ts';
import type { Transport } from './transport.ts';
import { Writer } from './writer.ts';

/** The kernel answers while the request is sent; an answer this late will never come. */
const REPLY_TIMEOUT_MS = 10_000;
/** A dump that keeps being interrupted by changes is given up after this many tries. */
const DUMP_ATTEMPTS_MAX = 10;

/** No answer came, which no working kernel does. */
export class NetlinkTimeoutError extends PodwireError {
  constructor(operation: string) {
    super(
      'ERR_NETLINK_TIMEOUT',
      `${operation}: no answer from the kernel in ${REPLY_TIMEOUT_MS} ms`,
    );
  }
}

/** The objects changed during every one of the attempts to list them. */
export class DumpInterruptedError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NETLINK_DUMP', `${operation}: interrupted by changes ${DUMP_ATTEMPTS_MAX} times`);
  }
}

/** What is asked of the kernel. */
export interface Request {
  /** What it is, for errors: a verb and its object, such as `add link cni0`. */
  readonly operation: string;
  readonly type: number;
  /** Flags beside NLM_F_REQUEST and those the call itself adds. */
  readonly flags?: number;
  /** Appends the payload. */
  readonly write: (writer: Writer) => void;
}

/** Takes one message of the answer; the payload is valid during the call only. */
export type OnMessage = (message: Message) => void;

/**
 * A conversation with one netlink protocol in one network namespace, one request at a time,
 * synchronous: the kernel handles a request inside send(2), so there is nothing to wait for.
 */
export class Connection implements Disposable {
  readonly #socket: Transport;
  #sequence = 0;

  private constructor(socket: Transport) {
    this.#socket = socket;
  }

  /** Opens `protocol` (linux/netlink.h, such as NETLINK_ROUTE 0) in `netns`, or where we are. */
  static open(protocol: number, netns?: Netns): Connection {
    const open = (): NetlinkSocket => NetlinkSocket.open(protocol, { timeoutMs: REPLY_TIMEOUT_MS });
    return new Connection(netns === undefined ? open() : netns.run(open));
  }

  /** The same over a transport that is open, such as the fake kernel's; closed with it. */
  static over(transport: Transport): Connection {
    return new Connection(transport);
  }

  /** Sends a request and waits for its ack. Throws NetlinkError when the kernel refuses. */
  execute(request: Request, onMessage?: OnMessage): void {
    const sequence = this.#send(request, NLM_F_ACK);
    const ack = this.#collect(request.operation, sequence, onMessage);
    if (ack.errno !== 0) throw new NetlinkError(request.operation, ack);
  }

  /**
   * Lists objects, one call of `decode` each, and gives what it gave. When the kernel says that
   * the list changed under the dump, the dump is made again.
   */
  dump<T>(request: Request, decode: (message: Message) => T): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS_MAX; attempt += 1) {
      const items: T[] = [];
      let interrupted = false;
      const sequence = this.#send(request, NLM_F_DUMP);
      const ack = this.#collect(request.operation, sequence, (message) => {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type !== NLMSG_DONE) items.push(decode(message));
      });
      if (ack.errno !== 0) throw new NetlinkError(request.operation, ack);
      if (!interrupted) return items;
    }
    throw new DumpInterruptedError(request.operation);
  }

  /** The next sequence number, for the messages of a batch. */
  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    return this.#sequence;
  }

  /**
   * Sends a datagram of several messages and gives the acks that came back, by sequence number.
   * All are there when send(2) returns.
   */
  exchange(datagram: Uint8Array): Map<number, Ack> {
    this.#socket.send(datagram);
    const acks = new Map<number, Ack>();
    for (;;) {
      const received = this.#socket.receive({ wait: false });
      if (received === undefined) return acks;
      for (const message of splitMessages(received)) {
        if (message.type === NLMSG_ERROR) acks.set(message.sequence, decodeAck(message));
      }
    }
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(request: Request, flags: number): number {
    const sequence = this.nextSequence();
    const writer = new Writer();
    const header = {
      type: request.type,
      flags: NLM_F_REQUEST | flags | (request.flags ?? 0),
      sequence,
    };
    encodeMessage(writer, header, () => request.write(writer));
    this.#socket.send(writer.bytes());
    return sequence;
  }

  /** Reads until the ack of `sequence` or the end of its dump. Older answers are passed over. */
  #collect(operation: string, sequence: number, onMessage?: OnMessage): Ack {
    for (;;) {
      const received = this.#socket.receive({ wait: true });
      if (received === undefined) throw new NetlinkTimeoutError(operation);
      for (const message of splitMessages(received)) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_ERROR) return decodeAck(message);
        if (message.type === NLMSG_OVERRUN) throw new DumpInterruptedError(operation);
        onMessage?.(message);
        if (message.type === NLMSG_DONE) return decodeDone(message);
      }
    }
  }
}

/** NLMSG_DONE ends a dump and may carry the errno the dump failed with. */
function decodeDone(message: Message): Ack {
  const { payload } = message;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const result = payload.length >= 4 ? view.getInt32(0, true) : 0;
  return { errno: result < 0 ? -result : 0, extack: '', offset: undefined };
}
