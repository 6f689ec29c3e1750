import { PodwireError } from '../errors.ts';
import { ENOBUFS, SysError } from '../sys/errno.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Netns } from '../sys/netns.ts';
import { type Ack, decodeAck, decodeDone, faultOf, NetlinkError } from './error.ts';
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
  tracePayload,
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

/**
 * The kernel had no room for its answer, so whether the request was carried out is not known: who
 * asked has to look at what is there now.
 */
export class AnswerLostError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NETLINK_LOST', `${operation}: the kernel's answer was lost (ENOBUFS)`);
  }
}

/** Something was asked of a connection from within the callback of another request on it. */
export class ConnectionBusyError extends PodwireError {
  constructor(operation: string) {
    super('ERR_NETLINK_BUSY', `${operation}: another request on the same connection is not done`);
  }
}

/** What is asked of the kernel. */
export interface Request {
  /** What it is, for errors: a verb and its object, such as `add link cni0`. */
  readonly operation: string;
  readonly type: number;
  /** Flags beside NLM_F_REQUEST and those the call itself adds. */
  readonly flags?: number;
  /** Appends the payload. Called again when the kernel refuses, to name what it points at. */
  readonly write: (writer: Writer) => void;
}

/** Takes one message of the answer; the payload is valid during the call only. */
export type OnMessage = (message: Message) => void;

/**
 * A conversation with one netlink protocol in one network namespace, one request at a time,
 * synchronous: the kernel handles a request inside send(2), so there is nothing to wait for.
 */
export class Connection implements Disposable {
  readonly #transport: Transport;
  readonly #writer = new Writer();
  #sequence = 0;
  #busy = false;

  private constructor(transport: Transport) {
    this.#transport = transport;
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

  /** The netlink port of this connection (sockaddr_nl.nl_pid): what it owns in the kernel says so. */
  get portId(): number {
    return this.#transport.portId;
  }

  /**
   * Sends a request and waits for its ack. Throws NetlinkError when the kernel refuses, and
   * AnswerLostError when it is not known whether it did.
   */
  execute(request: Request, onMessage?: OnMessage): void {
    const { operation } = request;
    this.#exclusively(operation, () => {
      const sequence = this.#send(request, NLM_F_ACK);
      this.#receiveAck(request, sequence, onMessage);
    });
  }

  /**
   * Starts a request that the kernel takes long over, so that something else can be done meanwhile,
   * but nothing on this connection. The function it gives waits for the ack, and throws what `execute`
   * throws; it must be called.
   */
  start(request: Request): () => void {
    this.#enter(request.operation);
    const sequence = this.#encode(request, NLM_F_ACK);
    this.#transport.sendAside(this.#writer.bytes());
    return () => {
      try {
        this.#receiveAck(request, sequence);
      } finally {
        this.#busy = false;
      }
    };
  }

  /**
   * Lists objects, one call of `decode` each, and gives what it gave. When the kernel says that
   * the list changed under the dump, or that a part of it was lost, the dump is made again.
   */
  dump<T>(request: Request, decode: (message: Message) => T): T[] {
    return this.#exclusively(request.operation, () => {
      const steps = this.#dumpInSteps(request, decode);
      for (;;) {
        const { done, value } = steps.next();
        if (done === true) return value;
      }
    });
  }

  /**
   * The same in steps, one datagram of the kernel each, so that a caller on the event loop can do
   * something else in between. The connection can't be used for anything else until the end.
   */
  *dumpInSteps<T>(request: Request, decode: (message: Message) => T): Generator<void, T[]> {
    this.#enter(request.operation);
    try {
      return yield* this.#dumpInSteps(request, decode);
    } finally {
      this.#busy = false;
    }
  }

  /** The next sequence number, for the messages of a batch. */
  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    return this.#sequence;
  }

  /**
   * Sends a datagram of several messages and gives the acks that came back, by sequence number.
   * All are there when send(2) returns; with `last`, the ack of that message is known to be the
   * last one. Throws AnswerLostError when there were more than the kernel had room for.
   */
  exchange(datagram: Uint8Array, last?: number): Map<number, Ack> {
    const operation = `batch of ${datagram.length} bytes`;
    return this.#exclusively(operation, () => {
      this.#transport.send(datagram);
      const acks = new Map<number, Ack>();
      let lost = false;
      while (last === undefined || !acks.has(last)) {
        const received = this.#read(false);
        if (received === undefined) break;
        if (received === 'lost') lost = true;
        else collectAcks(received, acks);
      }
      // What was lost may have been a refusal, so what did arrive tells nothing.
      if (lost) throw new AnswerLostError(operation);
      return acks;
    });
  }

  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #enter(operation: string): void {
    if (this.#busy) throw new ConnectionBusyError(operation);
    this.#busy = true;
  }

  #exclusively<T>(operation: string, work: () => T): T {
    this.#enter(operation);
    try {
      return work();
    } finally {
      this.#busy = false;
    }
  }

  *#dumpInSteps<T>(request: Request, decode: (message: Message) => T): Generator<void, T[]> {
    const { operation } = request;
    for (let attempt = 0; attempt < DUMP_ATTEMPTS_MAX; attempt += 1) {
      const items: T[] = [];
      let spoiled = false;
      const take = (message: Message): void => {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) spoiled = true;
        if (message.type !== NLMSG_DONE) items.push(decode(message));
      };
      const sequence = this.#send(request, NLM_F_DUMP);
      let ack: Ack | 'lost' | undefined;
      do {
        if (ack === 'lost') spoiled = true;
        ack = this.#receive(operation, sequence, take);
        yield;
      } while (ack === undefined || ack === 'lost');
      if (ack.errno !== 0) throw refusal(request, ack);
      if (!spoiled) return items;
    }
    throw new DumpInterruptedError(operation);
  }

  #send(request: Request, flags: number): number {
    const sequence = this.#encode(request, flags);
    this.#transport.send(this.#writer.bytes());
    return sequence;
  }

  /** Writes the request to the buffer, and gives its sequence number. */
  #encode(request: Request, flags: number): number {
    const sequence = this.nextSequence();
    const header = {
      type: request.type,
      flags: NLM_F_REQUEST | flags | (request.flags ?? 0),
      sequence,
    };
    this.#writer.clear();
    encodeMessage(this.#writer, header, () => request.write(this.#writer));
    return sequence;
  }

  #receiveAck(request: Request, sequence: number, onMessage?: OnMessage): void {
    const { operation } = request;
    let ack: Ack | 'lost' | undefined;
    do {
      ack = this.#receive(operation, sequence, onMessage);
      if (ack === 'lost') throw new AnswerLostError(operation);
    } while (ack === undefined);
    if (ack.errno !== 0) throw refusal(request, ack);
  }

  /**
   * Takes one datagram. Gives the ack of `sequence` or the end of its dump if it is in it, 'lost' if
   * the kernel says that it dropped something. Older answers are passed over.
   */
  #receive(operation: string, sequence: number, onMessage?: OnMessage): Ack | 'lost' | undefined {
    const received = this.#read(true);
    if (received === undefined) throw new NetlinkTimeoutError(operation);
    if (received === 'lost') return 'lost';
    for (const message of splitMessages(received)) {
      if (message.sequence !== sequence) continue;
      if (message.type === NLMSG_ERROR) return decodeAck(message);
      if (message.type === NLMSG_OVERRUN) return 'lost';
      onMessage?.(message);
      if (message.type === NLMSG_DONE) return decodeDone(message);
    }
    return undefined;
  }

  #read(wait: boolean): Uint8Array | 'lost' | undefined {
    try {
      return this.#transport.receive({ wait });
    } catch (error) {
      if (error instanceof SysError && error.errno === ENOBUFS) return 'lost';
      throw error;
    }
  }
}

function collectAcks(datagram: Uint8Array, acks: Map<number, Ack>): void {
  for (const message of splitMessages(datagram)) {
    if (message.type === NLMSG_ERROR) acks.set(message.sequence, decodeAck(message));
  }
}

/** The error for a request, with what the kernel points at by name. */
function refusal(request: Request, ack: Ack): NetlinkError {
  const pointsSomewhere = ack.offset !== undefined || ack.missing !== undefined;
  const { bytes, payload } = pointsSomewhere
    ? tracePayload(request.write)
    : { bytes: new Uint8Array(), payload: undefined };
  const fault = payload === undefined ? '' : faultOf(ack, payload, bytes);
  return new NetlinkError(request.operation, ack, fault);
}
