import type { Worker, WorkerOptions } from 'node:worker_threads';
import { Addr } from '../../ipaddr/addr.ts';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { type BoundSocket, openBoundSocket } from '../../sys/bound-socket.ts';
import { SysError } from '../../sys/errno.ts';
import { openUdpSocket, readOrigin, type UdpSocket } from '../../sys/udp-batch.ts';
import type { TableZone } from '../table/table.ts';
import { RCODE, TYPE } from '../wire/constants.ts';
import { formatName } from '../wire/name.ts';
import { truncateReply } from '../wire/truncate.ts';
import type { Acl } from './acl.ts';
import { Answerer, type AnswererOptions, OUTCOME, TCP_BYTES_MAX, zoneOf } from './answer.ts';
import { Counters } from './counters.ts';
import type { Fallback, QueryContext } from './fallback.ts';
import type { Handed } from './handover.ts';
import type { Routes } from './routes.ts';
import type { TcpAnswer } from './tcp-connection.ts';
import { TCP_LIMITS, type TcpLimits } from './tcp-limits.ts';
import { TcpServer } from './tcp-server.ts';
import { type ThreadConfig, UdpThread } from './thread.ts';
import { isCurrent, transferZone } from './transfer.ts';

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

/** What a server answers by; it may change while the server listens. */
export interface Answering {
  /** What to answer from. */
  readonly routes: Routes;
  readonly answerer?: AnswererOptions;
  /** Memory of answers that threads look at before they hand a query over. */
  readonly sharedAnswers?: SharedArrayBuffer;
  /** Who may transfer which of the zones; without it those of `transfer` all of them. */
  readonly mayTransfer?: MayTransfer;
}

/** Whether a client of 4 or 16 octets may transfer a zone, by AXFR or IXFR. */
export type MayTransfer = (zone: string, type: number, client: Uint8Array) => boolean;

/** What a DnsServer is started with. */
export interface DnsServerOptions extends Answering {
  /** The addresses to listen on, which need not be there yet; `::` takes both families. */
  readonly addresses: readonly string[];
  /** 0 lets the kernel choose; the same for all addresses. */
  readonly port: number;
  /** UDP threads for each address; one for each core is best. */
  readonly workers: number;
  /** Answers what the tables can't. */
  readonly fallback?: Fallback;
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

/** What was counted for the names of a zone; "" is for those in none. */
export interface ZoneCounters {
  readonly zone: string;
  readonly transport: 'udp' | 'tcp';
  readonly counters: Counters;
}

/** A DNS server on UDP threads and TCP, answering from tables as they are at the moment. */
export class DnsServer {
  readonly port: number;
  readonly #options: DnsServerOptions;
  readonly #sockets: readonly UdpSocket[];
  readonly #tcp: readonly TcpServer[];
  /** TCP sockets on which nobody listens yet. */
  #bound: readonly BoundSocket[];
  readonly #threads: readonly UdpThread[];
  readonly #tcpCounters = new Map<string, Counters>();
  readonly #reply = new Uint8Array(TCP_BYTES_MAX);
  #routes: Routes;
  #answerer: Answerer;
  #mayTransfer: MayTransfer | undefined;
  #next: Answering | undefined;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  private constructor(
    options: DnsServerOptions,
    port: number,
    sockets: readonly UdpSocket[],
    bound: readonly BoundSocket[],
  ) {
    this.#options = options;
    this.port = port;
    this.#sockets = sockets;
    this.#bound = bound;
    this.#routes = options.routes;
    this.#answerer = new Answerer(options.answerer);
    this.#mayTransfer = options.mayTransfer;
    const limits = options.tcpLimits ?? TCP_LIMITS;
    this.#tcp = options.addresses.map(
      () => new TcpServer((request, context) => this.#answerTcp(request, context), limits),
    );
    const { allow, fallback, spawnWorker, onFailure } = options;
    this.#threads = sockets.map(
      (socket) =>
        new UdpThread(socket, {
          allow,
          hasFallback: fallback !== undefined,
          spawnWorker,
          onHandedOver: () => this.#drain(),
          onFailure,
        }),
    );
  }

  /** Starts to listen; serves when it resolves. Rejects with a SysError when it can't listen. */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    const server = await DnsServer.open(options);
    try {
      await server.commit();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /**
   * Opens the sockets and has everything ready: `commit` serves, `stop` gives up. Rejects with a SysError
   * when it can't.
   */
  static async open(options: DnsServerOptions): Promise<DnsServer> {
    const server = DnsServer.#bind(options);
    try {
      await server.prepare(options);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  static #bind(options: DnsServerOptions): DnsServer {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return DnsServer.#bindOnce(options);
      } catch (error) {
        // A port that is free for UDP can be somebody's for TCP; the kernel then chooses another.
        const isTaken = error instanceof SysError && error.errnoName === 'EADDRINUSE';
        if (options.port !== 0 || !isTaken || attempt === PORT_ATTEMPTS_MAX) throw error;
      }
    }
  }

  static #bindOnce(options: DnsServerOptions): DnsServer {
    const addresses = options.addresses.map((text) => parseAddr(text).toBytes());
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
    const bound = addresses.map((address) => {
      const socket = openBoundSocket('tcp', address, port);
      stack.use(socket.fd);
      return socket;
    });
    const server = new DnsServer(options, port, sockets, bound);
    stack.move();
    return server;
  }

  /**
   * Has everything ready to answer by something else, while the server answers as before: `commit`
   * changes over, `discard` leaves it. Rejects, with nothing changed, when a thread can't be started.
   */
  async prepare(next: Answering): Promise<void> {
    const config: ThreadConfig = {
      routes: next.routes,
      answerer: next.answerer ?? {},
      sharedAnswers: next.sharedAnswers,
    };
    this.#next = next;
    const ready = await Promise.allSettled(this.#threads.map((each) => each.prepare(config)));
    for (const each of ready) {
      if (each.status === 'fulfilled') continue;
      await this.discard();
      throw each.reason;
    }
  }

  /** Answers by what was prepared from here on; no query is lost. Rejects when it can't listen. */
  async commit(): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    const bound = this.#bound;
    this.#bound = [];
    await Promise.all(bound.map((socket, index) => listenTcp(this.#tcp[index], socket)));
    this.#next = undefined;
    this.#routes = next.routes;
    this.#answerer = new Answerer(next.answerer);
    this.#mayTransfer = next.mayTransfer;
    await Promise.all(this.#threads.map((each) => each.commit()));
  }

  /** Forgets what was prepared. */
  async discard(): Promise<void> {
    this.#next = undefined;
    await Promise.all(this.#threads.map((each) => each.discard()));
  }

  /** What was counted so far. */
  counters(): readonly ZoneCounters[] {
    const udp = this.#threads.flatMap((thread) => [...thread.counters]);
    return [
      ...udp.map(([zone, counters]) => ({ zone, transport: 'udp' as const, counters })),
      ...[...this.#tcpCounters].map(([zone, counters]) => ({
        zone,
        transport: 'tcp' as const,
        counters,
      })),
    ];
  }

  /** TCP connections closed at once, for there were too many. */
  get refusedConnections(): number {
    return this.#tcp.reduce((sum, { refused }) => sum + refused, 0);
  }

  /** Stops listening; what was asked before is answered. */
  async stop(): Promise<void> {
    await Promise.all([
      ...this.#tcp.map((tcp) => tcp.close()),
      ...this.#threads.map((thread) => thread.stop()),
    ]);
    this.#drain();
    if (this.#inFlight > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onIdle = resolve;
      const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
      await promise;
      clearTimeout(timer);
    }
    for (const socket of this.#sockets) socket[Symbol.dispose]();
    for (const { fd } of this.#bound) fd.close();
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

  async #answerHanded(thread: UdpThread, { request, origin }: Handed): Promise<void> {
    const { client, clientPort, local } = readOrigin(origin);
    const reply = await this.#askFallback(request, {
      client: Addr.fromBytes(client),
      clientPort,
      local: Addr.fromBytes(local.length === 0 ? (thread.local ?? new Uint8Array(4)) : local),
      transport: 'udp',
    });
    if (reply === undefined) return;
    // What the client takes stands in its query; since it was read others have been.
    this.#answerer.answer(undefined, request, request.length, this.#reply, false);
    const cut = truncateReply(reply, this.#answerer.limitBytes);
    thread.sender.send(cut, origin);
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
    const routes = this.#routes;
    const { allow, fallback } = this.#options;
    const client = context.client.toBytes();
    const start = performance.now();
    const isRefused = allow !== undefined && !allow.permits(client);
    routes.reset();
    const length = isRefused
      ? answerer.refuse(request, request.length, this.#reply, client)
      : answerer.answer(routes, request, request.length, this.#reply, true, client);
    if (length === 0) return undefined;
    const { type, isDnssecOk, hasQuestion, questionEnd, serial, name } = answerer.request;
    const { outcome, rcode } = answerer;
    const isTransfer = outcome === OUTCOME.TRANSFER;
    const isForOthers = outcome !== OUTCOME.ANSWERED && !isTransfer && !routes.isNobodys;
    if (fallback !== undefined && isForOthers) {
      // The connection's buffer is used again, and the answer may take a while.
      return this.#askFallback(Uint8Array.from(request), context).then((reply) =>
        reply === undefined ? [] : [reply],
      );
    }
    const counters = this.#tcpCountersOf(routes.labels[routes.index] ?? '');
    counters.asked(hasQuestion ? type : 0, client.length === 4, isDnssecOk, request.length);
    const table = isTransfer ? routes.tableFor(name, true) : undefined;
    const zone = table === undefined ? undefined : zoneOf(table, name);
    if (table !== undefined && zone !== undefined && this.#permitsTransfer(zone, type, client)) {
      const soaOnly = type === TYPE.IXFR && isCurrent(table, serial);
      const messages = transferZone(table, zone, request, questionEnd, soaOnly);
      counters.answered(RCODE.NOERROR, messages[0]?.length ?? 0);
      return messages;
    }
    counters.answered(rcode, length);
    counters.took((performance.now() - start) / 1000, 1);
    return [this.#reply.slice(0, length)];
  }

  #permitsTransfer(zone: TableZone, type: number, client: Uint8Array): boolean {
    const may = this.#mayTransfer;
    if (may === undefined) return this.#options.transfer?.permits(client) ?? false;
    return may(formatName(zone.name), type, client);
  }

  #tcpCountersOf(zone: string): Counters {
    const known = this.#tcpCounters.get(zone);
    if (known !== undefined) return known;
    const counters = new Counters();
    this.#tcpCounters.set(zone, counters);
    return counters;
  }
}

async function listenTcp(tcp: TcpServer | undefined, { fd }: BoundSocket): Promise<void> {
  try {
    await tcp?.listen(fd.number);
  } catch (error) {
    fd.close();
    throw error;
  }
}
