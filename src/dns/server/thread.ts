import { Worker, type WorkerOptions } from 'node:worker_threads';
import { UdpReplySender, type UdpSocket } from '../../sys/udp-batch.ts';
import type { Acl } from './acl.ts';
import { type AnswererOptions, TCP_BYTES_MAX } from './answer.ts';
import { Counters } from './counters.ts';
import { HandoverQueue } from './handover.ts';
import { giveReaderNumberBack, takeReaderNumber } from './reader-numbers.ts';
import type { Routes } from './routes.ts';
import { CONTROL, CONTROL_BYTES, type WorkerMessage, type WorkerStart } from './worker-protocol.ts';

/** What threads answer by; it may change while they listen. */
export interface ThreadConfig {
  readonly routes: Routes;
  readonly answerer: AnswererOptions;
  readonly sharedAnswers: SharedArrayBuffer | undefined;
}

/** What stays as it is as long as a server listens. */
export interface ThreadOptions {
  readonly allow: Acl | undefined;
  readonly hasFallback: boolean;
  readonly spawnWorker: ((options: WorkerOptions) => Worker) | undefined;
  readonly onHandedOver: () => void;
  /** Called when a worker ends that should not have. */
  readonly onFailure: (error: Error) => void;
}

interface Running {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly counters: ReadonlyMap<string, Counters>;
}

/**
 * The UDP thread of one socket. What it answers by is changed by another worker in its place: the new
 * one gets ready beside the old one and serves when that has ended; meanwhile queries wait in the
 * kernel. Counters, the queue to the main thread and the reader's number go over to it.
 */
export class UdpThread {
  readonly handover: HandoverQueue | undefined;
  readonly sender: UdpReplySender;
  readonly #socket: UdpSocket;
  readonly #options: ThreadOptions;
  /** Its number among the readers of tables, from the first worker on. */
  #reader: number | undefined;
  /** By zone; those of zones that are no more keep what was counted. */
  readonly #counters = new Map<string, Counters>();
  #running: Running | undefined;
  #next: Running | undefined;

  constructor(socket: UdpSocket, options: ThreadOptions) {
    this.#socket = socket;
    this.#options = options;
    this.handover = options.hasFallback ? new HandoverQueue() : undefined;
    this.sender = new UdpReplySender(socket.fd, TCP_BYTES_MAX);
  }

  /** The one address it is asked on; undefined where each query tells. */
  get local(): Uint8Array | undefined {
    return this.#socket.local;
  }

  /** What was counted, by zone; "" has what was in none. */
  get counters(): ReadonlyMap<string, Counters> {
    return this.#counters;
  }

  /** Starts a worker that waits for `commit` or `discard`. Rejects with what ended it instead. */
  async prepare({ routes, answerer, sharedAnswers }: ThreadConfig): Promise<void> {
    this.#reader ??= takeReaderNumber();
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const counters = new Map(
      routes.labels.map((zone) => [zone, this.#counters.get(zone) ?? new Counters()]),
    );
    const start: WorkerStart = {
      reader: this.#reader,
      fd: this.#socket.fd,
      isV4: this.#socket.isV4,
      control,
      counters: routes.labels.map((zone) => (counters.get(zone) ?? new Counters()).memory),
      routes: routes.source,
      answerer,
      allow: this.#options.allow?.ranges,
      handover: this.handover?.memory,
      sharedAnswers,
    };
    const worker = (this.#options.spawnWorker ?? spawnFromSource)({ workerData: start });
    this.#next = { worker, control: new Int32Array(control), counters };
    worker.on('message', (message: WorkerMessage) => {
      if (message === 'handed-over') this.#options.onHandedOver();
    });
    await isReady(worker);
    this.#watch(this.#next);
  }

  /** Puts the worker that was prepared in place of the one that serves. */
  async commit(): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    this.#next = undefined;
    const old = this.#running;
    this.#running = next;
    if (old !== undefined) await end(old, CONTROL.STOP);
    for (const [zone, counters] of next.counters) this.#counters.set(zone, counters);
    tell(next, CONTROL.SERVE);
  }

  /** Ends the worker that was prepared. */
  async discard(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined) await end(next, CONTROL.DISCARD);
  }

  /** Ends it all, once what was accepted is answered. */
  async stop(): Promise<void> {
    const old = this.#running;
    this.#running = undefined;
    await Promise.all([this.discard(), ...(old === undefined ? [] : [end(old, CONTROL.STOP)])]);
    if (this.#reader !== undefined) giveReaderNumberBack(this.#reader);
    this.#reader = undefined;
  }

  #watch({ worker, control }: Running): void {
    const { onFailure } = this.#options;
    worker.on('error', (error) => onFailure(error as Error));
    worker.on('exit', (code) => {
      const said = Atomics.load(control, 0);
      if (said === CONTROL.STOP || said === CONTROL.DISCARD) return;
      onFailure(new Error(`DNS worker ended with code ${code}`));
    });
  }
}

function spawnFromSource(options: WorkerOptions): Worker {
  return new Worker(new URL('../udp-worker.ts', import.meta.url), {
    ...options,
    execArgv: ['--no-warnings'],
  });
}

function tell({ control }: Running, word: number): void {
  Atomics.store(control, 0, word);
  Atomics.notify(control, 0);
}

async function end(running: Running, word: number): Promise<void> {
  tell(running, word);
  const { worker } = running;
  if (worker.threadId < 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.once('exit', () => resolve());
  await promise;
}

/** Waits until the worker could serve. Rejects with what ended it instead. */
async function isReady(worker: Worker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onMessage = (message: WorkerMessage): void => {
    if (message === 'ready') resolve();
  };
  const onExit = (code: number): void => reject(new Error(`DNS worker ended with code ${code}`));
  worker.on('message', onMessage).once('error', reject).once('exit', onExit);
  try {
    await promise;
  } finally {
    worker.off('message', onMessage).off('error', reject).off('exit', onExit);
  }
}
