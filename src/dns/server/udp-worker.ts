import { parentPort } from 'node:worker_threads';
import { UdpBatchSocket } from '../../sys/udp-batch.ts';
import { Table } from '../table/table.ts';
import { RCODE } from '../wire/constants.ts';
import { Acl } from './acl.ts';
import { Answerer, OUTCOME, UDP_BYTES_MAX } from './answer.ts';
import { Counters } from './counters.ts';
import type { OpenSharedAnswers, SharedAnswers } from './fallback.ts';
import { HandoverQueue } from './handover.ts';
import { warmUp } from './warm-up.ts';
import { CONTROL_STOP, type WorkerMessage, type WorkerStart } from './worker-protocol.ts';

const BATCH_MAX = 64;
/** Queries are short; what is longer is cut, and so answered with FORMERR. */
const DATAGRAM_BYTES_MAX = 2048;
/** A thread that was held up for so long has queries waiting that nobody waits for any more. */
const STALE_AFTER_MS = 2_000;
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
  readonly #table: Table;
  readonly #answerer: Answerer;
  readonly #counters: Counters;
  readonly #acl: Acl | undefined;
  readonly #handover: HandoverQueue | undefined;
  readonly #shared: SharedAnswers | undefined;
  #handedOver = 0;

  constructor(start: WorkerStart, openSharedAnswers: OpenSharedAnswers | undefined) {
    this.#start = start;
    this.#udp = new UdpBatchSocket(start, {
      batchMax: BATCH_MAX,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      replyBytesMax: UDP_BYTES_MAX,
    });
    this.#table = new Table(start.table);
    this.#answerer = new Answerer(start.answerer);
    this.#counters = new Counters(start.counters);
    this.#acl = start.allow === undefined ? undefined : new Acl(start.allow);
    this.#handover = start.handover === undefined ? undefined : new HandoverQueue(start.handover);
    const { sharedAnswers } = start;
    this.#shared = sharedAnswers === undefined ? undefined : openSharedAnswers?.(sharedAnswers);
  }

  run(): void {
    const { control, answerer } = this.#start;
    const signals = new Int32Array(control);
    warmUp(this.#table, answerer);
    tell('serving');
    let idleSince = performance.now();
    while (Atomics.load(signals, CONTROL_STOP) === 0) {
      let received = this.#udp.receive();
      const now = performance.now();
      // A batch that is full after so long a time was not waited for: the thread was held up.
      if (received === BATCH_MAX && now - idleSince > STALE_AFTER_MS) received = this.#dropStale();
      this.#serve(received);
      idleSince = performance.now();
      if (received > 0) this.#counters.took((idleSince - now) / 1000, received);
    }
    // What was accepted before the word to stop is answered.
    for (let left = this.#udp.receive(false); left > 0; left = this.#udp.receive(false)) {
      this.#serve(left);
    }
  }

  /** Throws away all that waits but the newest batch, and gives how many that has. */
  #dropStale(): number {
    let received = BATCH_MAX;
    for (let batches = 0; batches < STALE_BATCHES_MAX && received === BATCH_MAX; batches += 1) {
      const next = this.#udp.receive(false);
      if (next === 0) return 0;
      this.#counters.droppedStale(received);
      received = next;
    }
    return received;
  }

  #serve(received: number): void {
    if (received === 0) return;
    this.#table.enter(this.#start.reader);
    for (let index = 0; index < received; index += 1) this.#answer(index);
    this.#table.leave(this.#start.reader);
    this.#udp.send();
    this.#counters.setKernelDrops(this.#udp.kernelDrops);
    this.#counters.setSendErrors(this.#udp.sendErrors);
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
    let replyBytes = isRefused
      ? answerer.refuse(request, length, reply, client)
      : answerer.answer(this.#table, request, length, reply, false, client);
    if (replyBytes === 0) return;
    let { rcode } = answerer;
    const { type, isDnssecOk, hasQuestion } = answerer.request;
    this.#counters.asked(hasQuestion ? type : 0, client.length === 4, isDnssecOk, length);
    if (!isRefused && this.#isForOthers()) {
      const shared = this.#shared?.answer(request, length, reply, answerer.limitBytes) ?? 0;
      if (shared > 0) {
        replyBytes = shared;
        rcode = (reply[3] ?? 0) & 0xf;
      } else if (this.#handOver(index)) {
        return;
      }
    }
    udp.setReply(index, replyBytes);
    this.#counters.answered(rcode, replyBytes);
  }

  /** Whether somebody on the main thread may know better than the table. */
  #isForOthers(): boolean {
    if (this.#handover === undefined) return false;
    const { outcome, request, rcode } = this.#answerer;
    if (outcome !== OUTCOME.ANSWERED) return true;
    return this.#start.handsOverAll && request.hasQuestion && rcode !== RCODE.BADVERS;
  }

  /** Gives the query to the main thread; dropped, where there is no room, it is as good as given. */
  #handOver(index: number): boolean {
    const isTaken = this.#handover?.push(this.#udp, index) ?? false;
    this.#counters.handedOver(isTaken);
    this.#handedOver += 1;
    return true;
  }
}

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}
