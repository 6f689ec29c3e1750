import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads';
import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { Table } from '../table/table.ts';
import { Counters } from './counters.ts';
import { TcpServer } from './tcp-server.ts';
import {
  CONTROL_BYTES,
  CONTROL_GENERATION,
  CONTROL_STOP,
  type WorkerMessage,
  type WorkerStart,
} from './worker-protocol.ts';

/** What a DnsServer is started with. */
export interface DnsServerOptions {
  /** The address to listen on; `::` takes both families. */
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** UDP threads; one for each core is best. */
  readonly workers: number;
  /** Starts the script of a worker; the agent's executable has it elsewhere than the source tree. */
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
  /** Called when a worker ends that should not have. */
  readonly onFailure: (error: Error) => void;
}

interface Running {
  readonly worker: Worker;
  readonly tables: MessagePort;
  readonly counters: Counters;
  using: number;
}

/** A DNS server on UDP threads and TCP, answering from the last table published. */
export class DnsServer {
  readonly port: number;
  readonly #control: Int32Array;
  readonly #workers: readonly Running[];
  readonly #tcp: TcpServer;
  readonly #tcpCounters: Counters;
  #table: Table | undefined;
  #waiting: { readonly generation: number; readonly resolve: () => void }[] = [];
  #stopping = false;

  private constructor(
    port: number,
    control: Int32Array,
    workers: readonly Running[],
    tcpCounters: Counters,
  ) {
    this.port = port;
    this.#control = control;
    this.#workers = workers;
    this.#tcpCounters = tcpCounters;
    this.#tcp = new TcpServer(() => this.#table, tcpCounters);
  }

  /** Starts to listen; until the first table queries get SERVFAIL. Rejects when it can't listen. */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    const memory = new SharedArrayBuffer(CONTROL_BYTES);
    const control = new Int32Array(memory);
    const address = parseAddr(options.address).toBytes();
    const workers: Running[] = [];
    let { port } = options;
    try {
      for (let index = 0; index < options.workers; index += 1) {
        const { port1, port2 } = new MessageChannel();
        const counters = new Counters();
        const start: WorkerStart = {
          index,
          address,
          port,
          control: memory,
          counters: counters.memory,
          tables: port2,
        };
        const spawn = options.spawnWorker ?? spawnFromSource;
        const worker = spawn({ workerData: start, transferList: [port2] });
        workers.push({ worker, tables: port1, counters, using: 0 });
        // The first one may have let the kernel choose; the others share its port.
        port = await listening(worker);
      }
      const server = new DnsServer(port, control, workers, new Counters());
      for (const running of workers) server.#watch(running, options.onFailure);
      await server.#tcp.listen(options.address, port);
      return server;
    } catch (error) {
      Atomics.store(control, CONTROL_STOP, 1);
      await Promise.allSettled(workers.map(({ worker }) => worker.terminate()));
      throw error;
    }
  }

  /** Has every thread answer from a table made by `buildTable`; resolves when all do. */
  async publish(memory: SharedArrayBuffer): Promise<void> {
    this.#table = new Table(memory);
    const generation = Atomics.load(this.#control, CONTROL_GENERATION) + 1;
    for (const { tables } of this.#workers) tables.postMessage({ generation, memory });
    Atomics.store(this.#control, CONTROL_GENERATION, generation);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ generation, resolve });
    this.#settle();
    await promise;
  }

  /** Answers so far by response code, and datagrams the kernel dropped. */
  stats(): {
    readonly udp: ReadonlyMap<number, number>;
    readonly tcp: ReadonlyMap<number, number>;
    readonly dropped: number;
  } {
    const udp = new Map<number, number>();
    for (const { counters } of this.#workers) {
      for (const [rcode, count] of counters.byRcode()) {
        udp.set(rcode, (udp.get(rcode) ?? 0) + count);
      }
    }
    const dropped = this.#workers.reduce((sum, { counters }) => sum + counters.dropped, 0);
    return { udp, tcp: this.#tcpCounters.byRcode(), dropped };
  }

  /** Stops listening and ends all threads. */
  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(this.#control, CONTROL_STOP, 1);
    const ended = this.#workers.map(async ({ worker, tables }) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      worker.once('exit', () => resolve());
      if (worker.threadId < 0) resolve();
      await promise;
      tables.close();
    });
    await Promise.all([this.#tcp.close(), ...ended]);
    for (const { resolve } of this.#waiting) resolve();
  }

  #watch(running: Running, onFailure: (error: Error) => void): void {
    const { worker } = running;
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind !== 'using') return;
      running.using = message.generation;
      this.#settle();
    });
    worker.on('error', (error) => onFailure(error as Error));
    worker.on('exit', (code) => {
      if (!this.#stopping) onFailure(new Error(`DNS worker ended with code ${code}`));
    });
  }

  #settle(): void {
    const oldest = Math.min(...this.#workers.map(({ using }) => using));
    for (const { generation, resolve } of this.#waiting) if (generation <= oldest) resolve();
    this.#waiting = this.#waiting.filter(({ generation }) => generation > oldest);
  }
}

function spawnFromSource(options: WorkerOptions): Worker {
  return new Worker(new URL('./udp-worker.ts', import.meta.url), {
    ...options,
    execArgv: ['--no-warnings'],
  });
}

/** Waits until the worker listens and gives its port. Rejects with what ended it instead. */
async function listening(worker: Worker): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const onMessage = (message: WorkerMessage): void => {
    if (message.kind === 'listening') resolve(message.port);
  };
  const onExit = (code: number): void => reject(new Error(`DNS worker ended with code ${code}`));
  worker.on('message', onMessage).once('error', reject).once('exit', onExit);
  try {
    return await promise;
  } finally {
    worker.off('message', onMessage).off('error', reject).off('exit', onExit);
  }
}
