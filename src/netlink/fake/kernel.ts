import { NLMSG_HEADER_BYTES } from '../message.ts';
import type { Transport } from '../transport.ts';
import {
  ackDatagram,
  dumpDatagrams,
  type FakeEvent,
  type ObjectMessage,
  objectDatagram,
  Refusal,
} from './answer.ts';
import { type Fault, type FaultTarget, Script } from './fault.ts';
import { FakeNftables } from './nftables.ts';
import { type FakeRequest, readRequest } from './request.ts';
import { FakeRoute } from './route.ts';
import { FakeSocket } from './socket.ts';

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const EOPNOTSUPP = 95;
const EINVAL = 22;

/** A part of the kernel that answers requests. */
interface Subsystem {
  /** What is to be listed. Throws Refusal. */
  get(request: FakeRequest): ObjectMessage[];
  /** Carries out a change. Throws Refusal, and nothing has changed then. */
  change(request: FakeRequest): FakeEvent[];
  isGet(type: number): boolean;
}

/**
 * A kernel in memory that speaks netlink: links, addresses and routes (NETLINK_ROUTE), tables, chains,
 * rules, sets and their elements (NETLINK_NETFILTER). It is there for what a real one cannot be made
 * to do: `inject` scripts refusals, interrupted dumps, lost answers and batches that end too early.
 * One fake kernel is one network namespace. What it does not know it refuses with EOPNOTSUPP.
 */
export class FakeKernel {
  readonly #script = new Script();
  readonly #route = new FakeRoute();
  readonly #nftables = new FakeNftables();
  readonly #sockets = new Set<FakeSocket>();

  /** Opens a socket of a protocol, for Connection.over and Subscription.over. */
  connect(protocol: number): Transport {
    const socket = new FakeSocket((datagram) => this.#receive(socket, protocol, datagram));
    this.#sockets.add(socket);
    return socket;
  }

  /** Makes something go wrong with the requests that `target` describes. */
  inject(fault: Fault, target: FaultTarget = {}): void {
    this.#script.add(fault, target);
  }

  /** How many of the injected faults have not happened yet. */
  get pendingFaults(): number {
    return this.#script.pending;
  }

  /** Makes everybody who listens to the group lose messages. */
  loseEvents(group: number): void {
    for (const socket of this.#sockets) if (socket.hears(group)) socket.overrun();
  }

  #receive(socket: FakeSocket, protocol: number, datagram: Uint8Array): void {
    const requests = splitRequests(datagram);
    const [first] = requests;
    if (first === undefined) return;
    const isBatch = protocol === NETLINK_NETFILTER && first.type === NFNL_MSG_BATCH_BEGIN;
    if (isBatch) this.#batch(socket, requests);
    else for (const request of requests) this.#single(socket, protocol, request);
  }

  #single(socket: FakeSocket, protocol: number, request: FakeRequest): void {
    const { type, sequence } = request;
    const silenced = this.#script.take(type, 'no-answer', 'lose-answer');
    const answer = (datagrams: readonly Uint8Array[]): void => {
      if (silenced?.kind === 'lose-answer') socket.overrun();
      if (silenced === undefined) for (const each of datagrams) socket.deliver(each);
    };
    try {
      const subsystem = this.#subsystem(protocol);
      this.#refuse(type);
      if (subsystem.isGet(type)) {
        const objects = subsystem.get(request);
        if (request.isDump) {
          const interrupted = this.#script.take(type, 'interrupt-dump') !== undefined;
          answer(dumpDatagrams(objects, sequence, interrupted));
          return;
        }
        answer(objects.map((object) => objectDatagram(object, sequence)));
      } else {
        if (protocol === NETLINK_NETFILTER) throw new Refusal(EINVAL);
        this.#publish(subsystem.change(request));
      }
      if (request.wantsAck) answer([ackDatagram(request.header, 0, '')]);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer([ackDatagram(request.header, error.errno, error.extack)]);
    }
  }

  /** A transaction: all of it or nothing, and an answer for each refusal (nfnetlink_rcv_batch). */
  #batch(socket: FakeSocket, requests: readonly FakeRequest[]): void {
    const cut = this.#script.take(NFNL_MSG_BATCH_BEGIN, 'cut-batch');
    const arrived = cut === undefined ? requests : requests.slice(0, cut.messages);
    const answers: Uint8Array[] = [];
    const events: FakeEvent[] = [];
    let ended = false;
    let failed = false;
    let silenced: Fault | undefined;
    const transaction = this.#nftables.begin();
    for (const request of arrived.slice(1)) {
      if (request.type === NFNL_MSG_BATCH_END) {
        ended = true;
        break;
      }
      silenced ??= this.#script.take(request.type, 'no-answer', 'lose-answer');
      try {
        this.#refuse(request.type);
        events.push(...transaction.change(request));
        if (request.wantsAck) answers.push(ackDatagram(request.header, 0, ''));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        failed = true;
        answers.push(ackDatagram(request.header, error.errno, error.extack));
      }
    }
    if (ended && !failed) {
      this.#publish([...events, ...transaction.commit()]);
    }
    if (silenced?.kind === 'lose-answer') socket.overrun();
    if (silenced === undefined) for (const each of answers) socket.deliver(each);
  }

  #refuse(type: number): void {
    const fault = this.#script.take(type, 'refuse');
    if (fault !== undefined) throw new Refusal(fault.errno, fault.extack);
  }

  #subsystem(protocol: number): Subsystem {
    if (protocol === NETLINK_ROUTE) return this.#route;
    if (protocol === NETLINK_NETFILTER) return this.#nftables;
    throw new Refusal(EOPNOTSUPP);
  }

  #publish(events: readonly FakeEvent[]): void {
    for (const event of events) {
      for (const socket of this.#sockets) {
        if (socket.hears(event.group)) socket.deliver(objectDatagram(event, 0));
      }
    }
  }
}

function splitRequests(datagram: Uint8Array): FakeRequest[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const requests: FakeRequest[] = [];
  for (let at = 0; at + NLMSG_HEADER_BYTES <= datagram.length; ) {
    const length = view.getUint32(at, true);
    // As the kernel does: what cannot be a message ends the datagram.
    if (length < NLMSG_HEADER_BYTES || at + length > datagram.length) break;
    requests.push(readRequest(datagram.subarray(at, at + length)));
    at += (length + 3) & ~3;
  }
  return requests;
}
