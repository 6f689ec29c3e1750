import { Worker, type WorkerOptions } from 'node:worker_threads';
import { PodwireError } from '../../errors.ts';
import type { Job, Jobs } from './job.ts';

/** The thread is ended when nobody wanted anything of it for so long: what it took is given back. */
const IDLE_MS = 1_000;
/** What is read is garbage soon after. */
const HEAP_MB_MAX = 512;
const YOUNG_MB_MAX = 8;

/** The thread ended while somebody waited for it. */
class DecodeThreadError extends PodwireError {
  constructor(problem: string, options?: ErrorOptions) {
    super('ERR_DECODE_THREAD', `the thread that decodes objects: ${problem}`, options);
  }
}

interface Waiting {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Has objects decoded beside the main thread. The thread is started when it is wanted and ends soon after.
 * It gives JSON: reading that again takes a fraction of the time that checking fields does, and shares what
 * is short.
 */
export class DecodeThread implements Disposable {
  readonly #spawn: (options: WorkerOptions) => Worker;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** In the order in which they will be answered. */
  #waiting: Waiting[] = [];

  /** `spawn` starts `src/cluster/decode-worker.ts`, by default from the source tree. */
  constructor(spawn: (options: WorkerOptions) => Worker = spawnFromSource) {
    this.#spawn = spawn;
  }

  /** What the job gives. Rejects with DecodeThreadError when the thread ends before. */
  async work<Name extends keyof Jobs>(job: Job<Name>): Promise<Jobs[Name]['output']> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    this.#worker.postMessage(job);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.push({ resolve, reject });
    return JSON.parse(await promise) as Jobs[Name]['output'];
  }

  [Symbol.dispose](): void {
    this.#end(new DecodeThreadError('not wanted any more'));
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
    const failed = (problem: string, cause?: unknown): void => {
      if (this.#worker === worker) this.#end(new DecodeThreadError(problem, { cause }));
    };
    worker.on('error', (error: Error) => failed(error.message, error));
    worker.on('exit', (code) => failed(`ended with code ${code}`));
    return worker;
  }

  #end(reason = new DecodeThreadError('ended')): void {
    clearTimeout(this.#idle);
    const [worker, waiting] = [this.#worker, this.#waiting];
    this.#worker = undefined;
    this.#waiting = [];
    void worker?.terminate();
    for (const { reject } of waiting) reject(reason);
  }
}

function spawnFromSource(options: WorkerOptions): Worker {
  return new Worker(new URL('../decode-worker.ts', import.meta.url), {
    ...options,
    execArgv: ['--no-warnings'],
  });
}
