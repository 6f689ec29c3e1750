import { parentPort } from 'node:worker_threads';
import { UdpBatchSocket } from '../../sys/udp-batch.ts';
import { Acl } from './acl.ts';
import { Answerer, OUTCOME, UDP_BYTES_MAX } from './answer.ts';
import { Counters } from './counters.ts';
import type { OpenSharedAnswers, SharedAnswers } from './fallback.ts';
import { HANDOVER_BYTES_MAX, HandoverQueue } from './handover.ts';
import { Routes } from './routes.ts';
import { warmUp } from './warm-up.ts';
import { CONTROL, type WorkerMessage, type WorkerStart } from './worker-protocol.ts';

const BATCH_MAX = 64;
/** Queries are short; what is longer is cut, and so answered with FORMERR. */
const DATAGRAM_BYTES_MAX = 2048;
/** A thread that was held up for so long has queries waiting that nobody waits for any more. */
const STALE_AFTER_MS = 2_000;
/** A call that gives a datagram sooner than this did not wait for it: more may be there. */
const WAITED_MS = 0.004;
/** The most batches that are thrown away at a time. */
const STALE_BATCHES_MAX = 10_000;

/**
 * Serves one UDP socket on the calling thread until it is told to stop: blocked in the kernel until
 * queries come, then answering a batch at a time. It never returns to the event loop; what it is to
 * know comes through shared memory.
 */
export function runUdpWorker(start: WorkerStart, openSharedAnswers?: OpenSharedAnswers): void {
  new UdpWorker(start, openSharedAnswers).run();
}

class UdpWorker {
  readonly #start: WorkerStart;
  readonly #udp: UdpBatchSocket;
  readonly #routes: Routes;
  readonly #answerer: Answerer;
  /** One for each route, and the last for what takes none. */
  readonly #counters: readonly Counters[];
  /** Answers in this batch by route. */
  readonly #answered: Uint32Array;
  /** What the thread counts whatever the zone. */
  readonly #own: Counters;
  readonly #acl: Acl | undefined;
  readonly #handover: HandoverQueue | undefined;
  readonly #shared: SharedAnswers | undefined;
  #handedOver = 0;
  #sendErrors = 0;

  constructor(start: WorkerStart, openSharedAnswers: OpenSharedAnswers | undefined) {
    this.#start = start;
    this.#udp = new UdpBatchSocket(start, {
      batchMax: BATCH_MAX,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      replyBytesMax: UDP_BYTES_MAX,
    });
    this.#routes = new Routes(start.routes);
    this.#answerer = new Answerer(start.answerer);
    this.#counters = start.counters.map((memory) => new Counters(memory));
    this.#answered = new Uint32Array(this.#counters.length);
    this.#own = this.#counters.at(-1) ?? new Counters();
    this.#acl = start.allow === undefined ? undefined : new Acl(start.allow);
    this.#handover = start.handover === undefined ? undefined : new HandoverQueue(start.handover);
    const { sharedAnswers } = start;
    this.#shared = sharedAnswers === undefined ? undefined : openSharedAnswers?.(sharedAnswers);
  }

  run(): void {
    const { control, answerer } = this.#start;
    const signals = new Int32Array(control);
    warmUp(this.#routes.tables, answerer);
    tell('ready');
    Atomics.wait(signals, 0, CONTROL.WAIT);
    if (Atomics.load(signals, 0) === CONTROL.DISCARD) return;
    let idleSince = performance.now();
    let isQuiet = false;
    while (Atomics.load(signals, 0) === CONTROL.SERVE) {
      let received: number = isQuiet ? this.#udp.receiveOne() : this.#udp.receive();
      const now = performance.now();
      const waitedMs = now - idleSince;
      if (waitedMs > STALE_AFTER_MS) received = this.#afterHoldUp(received);
      isQuiet = isQuiet ? waitedMs > WAITED_MS : received <= 1;
      this.#serve(received);
      idleSince = performance.now();
      if (received > 0) this.#took((idleSince - now) / 1000);
    }
    // What was accepted before the word to stop is answered.
    for (let left = this.#udp.receive(false); left > 0; left = this.#udp.receive(false)) {
      this.#serve(left);
    }
  }

  #took(seconds: number): void {
    for (let route = 0; route < this.#answered.length; route += 1) {
      const queries = this.#answered[route] ?? 0;
      if (queries > 0) this.#counters[route]?.took(seconds, queries);
      this.#answered[route] = 0;
    }
  }

  /**
   * The thread did not run for so long: a batch that is full now was not waited for, and neither what is
   * behind a single query, or behind a time-out that ran out meanwhile. Gives how many are to be served.
   */
  #afterHoldUp(taken: number): number {
    let received = taken;
    if (received <= 1) {
      this.#serve(received);
      received = this.#udp.receive(false);
    }
    return received === BATCH_MAX ? this.#dropStale() : received;
  }

  /** Throws away the full batches that wait, and gives how many queries there are behind them. */
  #dropStale(): number {
    let received = BATCH_MAX;
    for (let batches = 0; batches < STALE_BATCHES_MAX && received === BATCH_MAX; batches += 1) {
      const next = this.#udp.receive(false);
      this.#own.droppedStale(received);
      if (next === 0) return 0;
      received = next;
    }
    return received;
  }

  #serve(received: number): void {
    if (received === 0) return;
    this.#routes.enter(this.#start.reader);
    for (let index = 0; index < received; index += 1) this.#answer(index);
    this.#routes.leave(this.#start.reader);
    this.#udp.send();
    this.#own.setKernelDrops(this.#udp.kernelDrops);
    this.#own.sendFailed(this.#udp.sendErrors - this.#sendErrors);
    this.#sendErrors = this.#udp.sendErrors;
    if (this.#handedOver > 0 && this.#handover?.mustTell()) tell('handed-over');
    this.#handedOver = 0;
  }

  #answer(index: number): void {
    const udp = this.#udp;
    const answerer = this.#answerer;
    const request = udp.requestBuffer(index);
    const length = udp.requestLength(index);
    const reply = udp.replyBuffer(index);
    const client = udp.clientAddress(index);
    const isRefused = this.#acl !== undefined && !this.#acl.permits(client);
    this.#routes.reset();
    let replyBytes = isRefused
      ? answerer.refuse(request, length, reply, client)
      : answerer.answer(this.#routes, request, length, reply, false, client);
    if (replyBytes === 0) return;
    let shared = 0;
    if (this.#isForOthers()) {
      shared = this.#shared?.answer(request, length, reply, answerer.limitBytes) ?? 0;
      if (shared > 0) replyBytes = shared;
      else if (this.#handOver(index)) return;
    }
    udp.setReply(index, replyBytes);
    const { type, isDnssecOk, hasQuestion } = answerer.request;
    const counters = this.#counters[this.#routes.index] ?? this.#own;
    counters.asked(hasQuestion ? type : 0, client.length === 4, isDnssecOk, length);
    if (shared > 0) {
      const isDenial = reply[6] === 0 && reply[7] === 0;
      counters.answeredFromCache((reply[3] ?? 0) & 0xf, replyBytes, isDenial);
    } else counters.answered(answerer.rcode, replyBytes);
    this.#answered[this.#routes.index] = (this.#answered[this.#routes.index] ?? 0) + 1;
  }

  /** Whether somebody on the main thread may know better than the table. */
  #isForOthers(): boolean {
    if (this.#handover === undefined || this.#routes.isNobodys) return false;
    return this.#answerer.outcome !== OUTCOME.ANSWERED;
  }

  /**
   * Gives the query to the main thread; dropped, where there is no room, it is as good as given. False
   * when it is too long for that.
   */
  #handOver(index: number): boolean {
    if (this.#udp.requestLength(index) > HANDOVER_BYTES_MAX) return false;
    const isTaken = this.#handover?.push(this.#udp, index) ?? false;
    this.#own.handedOver(isTaken);
    this.#handedOver += 1;
    return true;
  }
}

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}
