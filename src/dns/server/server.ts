import { Worker, type WorkerOptions } from 'node:worker_threads';
import { Addr } from '../../ipaddr/addr.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { openBoundSocket } from '../../sys/bound-socket.ts';
import { SysError } from '../../sys/errno.ts';
import { openUdpSocket, readOrigin, UdpReplySender, type UdpSocket } from '../../sys/udp-batch.ts';
import { READERS_MAX } from '../table/format.ts';
import type { Table } from '../table/table.ts';
import { RCODE, TYPE } from '../wire/constants.ts';
import { truncateReply } from '../wire/truncate.ts';
import type { Acl } from './acl.ts';
import { Answerer, type AnswererOptions, OUTCOME, TCP_BYTES_MAX, zoneOf } from './answer.ts';
import { Counters } from './counters.ts';
import type { Fallback, QueryContext } from './fallback.ts';
import { type Handed, HandoverQueue } from './handover.ts';
import type { TcpAnswer } from './tcp-connection.ts';
import { TCP_LIMITS, type TcpLimits } from './tcp-limits.ts';
import { TcpServer } from './tcp-server.ts';
import { isCurrent, transferZone } from './transfer.ts';
import {
  CONTROL_BYTES,
  CONTROL_STOP,
  type WorkerMessage,
  type WorkerStart,
} from './worker-protocol.ts';

/** How many ports are tried when the kernel may choose. */
const PORT_ATTEMPTS_MAX = 16;

/** The queue of queries not yet seen, in the kernel: a tenth of a second's work. */
const RECEIVE_BUFFER_BYTES = 8 << 20;
/** How long the order to stop may wait for an idle worker. */
const RECEIVE_TIMEOUT_MS = 50;
/** Queries of all threads that somebody else is answering; more wait in their threads' queues. */
const FALLBACKS_IN_FLIGHT_MAX = 1000;
/** How long stopping waits for answers of somebody else. */
const STOP_TIMEOUT_MS = 5_000;

/** What a DnsServer is started with. */
export interface DnsServerOptions {
  /** The addresses to listen on, which need not be there yet; `::` takes both families. */
  readonly addresses: readonly string[];
  /** 0 lets the kernel choose; the same for all addresses. */
  readonly port: number;
  /** UDP threads for each address; one for each core is best. */
  readonly workers: number;
  /** What to answer from. */
  readonly table: Table;
  readonly answerer?: AnswererOptions;
  /** Answers what the table can't. */
  readonly fallback?: Fallback;
  /** Every query is the fallback's, for what must happen to each. */
  readonly handsOverAll?: boolean;
  /** Memory of answers that threads look at before they hand a query over. */
  readonly sharedAnswers?: SharedArrayBuffer;
  /** Who may ask; without it everybody. */
  readonly allow?: Acl;
  /** Who may transfer zones; without it nobody. */
  readonly transfer?: Acl;
  readonly tcpLimits?: TcpLimits;
  /** Starts the script of a worker; the agent's executable has it elsewhere than the source tree. */
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
  /** Called when a worker ends that should not have. */
  readonly onFailure: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly counters: Counters;
  readonly handover: HandoverQueue | undefined;
  readonly sender: UdpReplySender;
}

/** A DNS server on UDP threads and TCP, answering from a table as it is at the moment. */
export class DnsServer {
  readonly port: number;
  readonly #options: DnsServerOptions;
  readonly #control: Int32Array;
  readonly #sockets: readonly UdpSocket[];
  readonly #tcp: readonly TcpServer[];
  readonly #threads: Thread[] = [];
  readonly #tcpCounters = new Counters();
  /** Of the main thread: answers that were handed over. */
  readonly #udpCounters = new Counters();
  readonly #answerer: Answerer;
  readonly #reply = new Uint8Array(TCP_BYTES_MAX);
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #stopping = false;

  private constructor(
    options: DnsServerOptions,
    port: number,
    control: SharedArrayBuffer,
    sockets: readonly UdpSocket[],
  ) {
    this.#options = options;
    this.port = port;
    this.#control = new Int32Array(control);
    this.#sockets = sockets;
    this.#answerer = new Answerer(options.answerer);
    const limits = options.tcpLimits ?? TCP_LIMITS;
    this.#tcp = options.addresses.map(
      () => new TcpServer((request, context) => this.#answerTcp(request, context), limits),
    );
  }

  /** Starts to listen; serves when it resolves. Rejects with a SysError when it can't listen. */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await DnsServer.#startOnce(options);
      } catch (error) {
        // A port that is free for UDP can be somebody's for TCP; the kernel then chooses another.
        const isTaken = error instanceof SysError && error.errnoName === 'EADDRINUSE';
        if (options.port !== 0 || !isTaken || attempt === PORT_ATTEMPTS_MAX) throw error;
      }
    }
  }

  static async #startOnce(options: DnsServerOptions): Promise<DnsServer> {
    const addresses = options.addresses.map((text) => parseAddr(text).toBytes());
    if (addresses.length * options.workers > READERS_MAX) {
      throw new RangeError(`DNS: expected at most ${READERS_MAX} threads`);
    }
    using stack = new DisposableStack();
    const sockets: UdpSocket[] = [];
    let { port } = options;
    for (const address of addresses) {
      for (let index = 0; index < options.workers; index += 1) {
        const socket = stack.use(
          openUdpSocket({
            address,
            port,
            receiveBufferBytes: RECEIVE_BUFFER_BYTES,
            receiveTimeoutMs: RECEIVE_TIMEOUT_MS,
          }),
        );
        // The first may have let the kernel choose; the others share its port.
        ({ port } = socket);
        sockets.push(socket);
      }
    }
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const server = new DnsServer(options, port, control, sockets);
    try {
      await Promise.all(server.#tcp.map((tcp, index) => listenTcp(tcp, addresses[index], port)));
      await server.#startThreads(control);
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      stack.move();
    }
    return server;
  }

  /** What was counted so far: by UDP's threads, and by TCP and the main thread. */
  counters(): { readonly udp: readonly Counters[]; readonly tcp: Counters } {
    return {
      udp: [...this.#threads.map(({ counters }) => counters), this.#udpCounters],
      tcp: this.#tcpCounters,
    };
  }

  /** TCP connections closed at once, for there were too many. */
  get refusedConnections(): number {
    return this.#tcp.reduce((sum, { refused }) => sum + refused, 0);
  }

  /** Stops listening; what was asked before is answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(this.#control, CONTROL_STOP, 1);
    await Promise.all([...this.#tcp.map((tcp) => tcp.close()), ...this.#threads.map(ended)]);
    this.#drain();
    if (this.#inFlight > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
      await promise;
      clearTimeout(timer);
    }
    for (const socket of this.#sockets) socket[Symbol.dispose]();
  }

  async #startThreads(control: SharedArrayBuffer): Promise<void> {
    const { answerer, table, allow, fallback, sharedAnswers } = this.#options;
    const serving = this.#sockets.map(async ({ fd, isV4 }, reader) => {
      const counters = new Counters();
      const handover = fallback === undefined ? undefined : new HandoverQueue();
      const start: WorkerStart = {
        reader,
        fd,
        isV4,
        control,
        counters: counters.memory,
        table: table.source,
        answerer: answerer ?? {},
        allow: allow?.ranges,
        handover: handover?.memory,
        handsOverAll: this.#options.handsOverAll ?? false,
        sharedAnswers,
      };
      const worker = (this.#options.spawnWorker ?? spawnFromSource)({ workerData: start });
      const thread = {
        worker,
        counters,
        handover,
        sender: new UdpReplySender(fd, TCP_BYTES_MAX),
      };
      this.#threads.push(thread);
      worker.on('message', (message: WorkerMessage) => {
        if (message === 'handed-over') this.#drain();
      });
      await isServing(worker);
      this.#watch(worker);
    });
    await Promise.all(serving);
  }

  #watch(worker: Worker): void {
    const { onFailure } = this.#options;
    worker.on('error', (error) => onFailure(error as Error));
    worker.on('exit', (code) => {
      if (!this.#stopping) onFailure(new Error(`DNS worker ended with code ${code}`));
    });
  }

  /** Takes what threads have handed over, as much as may be in flight. */
  #drain(): void {
    for (const thread of this.#threads) {
      thread.handover?.look();
      while (this.#inFlight < FALLBACKS_IN_FLIGHT_MAX) {
        const handed = thread.handover?.shift();
        if (handed === undefined) break;
        this.#inFlight += 1;
        void this.#answerHanded(thread, handed).finally(() => {
          this.#inFlight -= 1;
          if (this.#inFlight === 0) this.#onIdle?.();
          if (this.#inFlight === FALLBACKS_IN_FLIGHT_MAX - 1) this.#drain();
        });
      }
    }
  }

  async #answerHanded(thread: Thread, { request, origin }: Handed): Promise<void> {
    const { client, clientPort, local } = readOrigin(origin);
    const reply = await this.#askFallback(request, {
      client: Addr.fromBytes(client),
      clientPort,
      local: local.length === 0 ? Addr.v4(0) : Addr.fromBytes(local),
      transport: 'udp',
    });
    if (reply === undefined) return;
    // What the client takes stands in its query; since it was read others have been.
    this.#answerer.answer(undefined, request, request.length, this.#reply, false);
    const cut = truncateReply(reply, this.#answerer.limitBytes);
    thread.sender.send(cut, origin);
    this.#udpCounters.answered((cut[3] ?? 0) & 0xf, cut.length);
  }

  /** SERVFAIL when the fallback fails. */
  async #askFallback(request: Uint8Array, context: QueryContext): Promise<Uint8Array | undefined> {
    try {
      return await this.#options.fallback?.(request, context);
    } catch {
      const isTcp = context.transport === 'tcp';
      const { length } = request;
      const end = this.#answerer.answer(undefined, request, length, this.#reply, isTcp);
      return this.#reply.slice(0, end);
    }
  }

  #answerTcp(request: Uint8Array, context: QueryContext): TcpAnswer | Promise<TcpAnswer> {
    const answerer = this.#answerer;
    const { allow, table, handsOverAll = false } = this.#options;
    const client = context.client.toBytes();
    const start = performance.now();
    const isRefused = allow !== undefined && !allow.permits(client);
    const length = isRefused
      ? answerer.refuse(request, request.length, this.#reply, client)
      : answerer.answer(table, request, request.length, this.#reply, true, client);
    if (length === 0) return undefined;
    const { type, isDnssecOk, hasQuestion, questionEnd, serial } = answerer.request;
    const { outcome, rcode } = answerer;
    const isV4 = client.length === 4;
    this.#tcpCounters.asked(hasQuestion ? type : 0, isV4, isDnssecOk, request.length);
    const isTransfer = outcome === OUTCOME.TRANSFER;
    if (isTransfer && this.#options.transfer?.permits(client)) {
      const zone = zoneOf(table, answerer.request.name);
      if (zone === undefined) return undefined;
      const soaOnly = type === TYPE.IXFR && isCurrent(table, serial);
      const messages = transferZone(table, zone, request, questionEnd, soaOnly);
      this.#tcpCounters.answered(RCODE.NOERROR, messages[0]?.length ?? 0);
      return messages;
    }
    const isForOthers = (outcome !== OUTCOME.ANSWERED && !isTransfer) || handsOverAll;
    if (this.#options.fallback !== undefined && !isRefused && hasQuestion && isForOthers) {
      // The connection's buffer is used again, and the answer may take a while.
      return this.#askFallback(Uint8Array.from(request), context).then((reply) => {
        if (reply === undefined) return [];
        this.#tcpCounters.answered((reply[3] ?? 0) & 0xf, reply.length);
        this.#tcpCounters.took((performance.now() - start) / 1000, 1);
        return [reply];
      });
    }
    this.#tcpCounters.answered(rcode, length);
    this.#tcpCounters.took((performance.now() - start) / 1000, 1);
    return [this.#reply.slice(0, length)];
  }
}

async function listenTcp(tcp: TcpServer, address: Uint8Array | undefined, port: number) {
  if (address === undefined) return;
  const { fd } = openBoundSocket('tcp', address, port);
  try {
    await tcp.listen(fd.number);
  } catch (error) {
    fd.close();
    throw error;
  }
}

function spawnFromSource(options: WorkerOptions): Worker {
  return new Worker(new URL('../udp-worker.ts', import.meta.url), {
    ...options,
    execArgv: ['--no-warnings'],
  });
}

/** Waits until the worker serves. Rejects with what ended it instead. */
async function isServing(worker: Worker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onMessage = (message: WorkerMessage): void => {
    if (message === 'serving') resolve();
  };
  const onExit = (code: number): void => reject(new Error(`DNS worker ended with code ${code}`));
  worker.on('message', onMessage).once('error', reject).once('exit', onExit);
  try {
    await promise;
  } finally {
    worker.off('message', onMessage).off('error', reject).off('exit', onExit);
  }
}

async function ended({ worker }: Thread): Promise<void> {
  if (worker.threadId < 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.once('exit', () => resolve());
  await promise;
}
