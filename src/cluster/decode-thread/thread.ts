import { Worker, type WorkerOptions } from 'node:worker_threads';
import { PodwireError } from '../../errors.ts';
import { type Job, type Jobs, work } from './job.ts';

/** The thread is ended when nobody wanted anything of it for so long: what it took is given back. */
const IDLE_MS = 1_000;
/** What is read is garbage soon after. */
const HEAP_MB_MAX = 512;
const YOUNG_MB_MAX = 8;

/** It was closed while somebody waited for it. */
class DecodeThreadError extends PodwireError {
  constructor() {
    super('ERR_DECODE_THREAD', 'the thread that decodes objects: not wanted any more');
  }
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (text: string) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Has objects decoded beside the main thread. The thread is started when it is wanted and ends soon after.
 * It gives JSON: reading that again takes a fraction of the time that checking fields does, and shares what
 * is short. Where there can't be a thread, or it dies, the work is done on the main thread from then on: late is
 * better than never.
 */
export class DecodeThread implements Disposable {
  readonly #spawn: (options: WorkerOptions) => Worker;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** In the order in which they will be answered. */
  #waiting: Waiting[] = [];
  #isBroken = false;

  /** `spawn` starts `src/cluster/decode-worker.ts`, by default from the source tree. */
  constructor(spawn: (options: WorkerOptions) => Worker = spawnFromSource) {
    this.#spawn = spawn;
  }

  /** What the job gives. Rejects with DecodeThreadError when this is closed before, and as the work throws. */
  async work<Name extends keyof Jobs>(job: Job<Name>): Promise<Jobs[Name]['output']> {
    if (this.#isBroken) return work(job);
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    this.#worker.postMessage(job);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.push({ job, resolve, reject });
    return JSON.parse(await promise) as Jobs[Name]['output'];
  }

  [Symbol.dispose](): void {
    for (const { reject } of this.#end()) reject(new DecodeThreadError());
  }

  #start(): Worker {
    const worker = this.#spawn({
      resourceLimits: {
        maxOldGenerationSizeMb: HEAP_MB_MAX,
        maxYoungGenerationSizeMb: YOUNG_MB_MAX,
      },
    });
    worker.on('message', (text: string) => {
      this.#waiting.shift()?.resolve(text);
      if (this.#waiting.length > 0) return;
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => this.#end(), IDLE_MS);
    });
    const failed = (): void => {
      if (this.#worker === worker) this.#breakDown();
    };
    worker.on('error', failed);
    worker.on('exit', failed);
    return worker;
  }

  /** What is owed is done here, and all after it. */
  #breakDown(): void {
    this.#isBroken = true;
    const owed = this.#end();
    for (const { job, resolve, reject } of owed) {
      try {
        resolve(JSON.stringify(work(job)));
      } catch (error) {
        // It may be what the thread died of; here it is for who asked alone.
        reject(error);
      }
    }
  }

  /** Ends the thread. Gives what it owes. */
  #end(): readonly Waiting[] {
    clearTimeout(this.#idle);
    const [worker, owed] = [this.#worker, this.#waiting];
    this.#worker = undefined;
    this.#waiting = [];
    void worker?.terminate();
    return owed;
  }
}

function spawnFromSource(options: WorkerOptions): Worker {
  return new Worker(new URL('../decode-worker.ts', import.meta.url), {
    ...options,
    execArgv: ['--no-warnings'],
  });
}
