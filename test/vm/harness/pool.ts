import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from 'vitest/node';
import type { GuestProcess } from './guest-process.ts';
import { Vm } from './vm.ts';

/** All files together take no longer; what hangs is ended. */
const RUN_MAX_MS = 420_000;

/** Variables that name what the host has and the guest doesn't. */
const HOST_ONLY = ['TMPDIR', 'XDG_RUNTIME_DIR'];

/**
 * A pool of vitest like its own `forks`, but the processes are forked in a guest. Only they run
 * there: vitest itself, which takes long to start on an emulated processor, stays on the host,
 * transforms the modules and hands them over. The files share one guest, and each has a process.
 */
export const vmPool: PoolRunnerInitializer = {
  name: 'vm',
  createPoolWorker: (options) => new VmPoolWorker(options),
};

/** The guest of this run; another one after it has crashed. */
let guest: Promise<Vm> | undefined;
/** A process takes a second to start there, so the next file's starts while this file runs. */
let spare: GuestProcess | undefined;
/** Files that run: a guest without any must not keep vitest from ending. */
let running = 0;
let runEndsAtMs: number | undefined;

class VmPoolWorker implements PoolWorker {
  readonly name = 'vm';
  readonly #options: PoolOptions;
  readonly #events = new EventEmitter();
  #process: GuestProcess | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    guest ??= boot();
    const vm = await guest;
    running += 1;
    vm.ref();
    this.#process = spare ?? fork(vm, this.#options);
    spare = fork(vm, this.#options);
    this.#process.on('message', (data) => this.#events.emit('message', data));
    this.#process.on('exit', (code, signal, error) => {
      running -= 1;
      if (running === 0) vm.unref();
      // Vitest says which file it was, but not why.
      if (error !== undefined) process.stderr.write(`${error}\n`);
      this.#events.emit('exit', code, signal);
    });
  }

  async stop(): Promise<void> {
    if (this.#process === undefined || this.#process.ended) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  send(message: WorkerRequest): void {
    this.#process?.message(message);
  }

  deserialize(data: unknown): unknown {
    return data;
  }

  on(event: string, callback: (...args: unknown[]) => void): void {
    this.#events.on(event, callback);
  }

  off(event: string, callback: (...args: unknown[]) => void): void {
    this.#events.off(event, callback);
  }
}

async function boot(): Promise<Vm> {
  const now = performance.now();
  runEndsAtMs ??= now + RUN_MAX_MS;
  if (now >= runEndsAtMs) throw new Error(`the run took more than ${RUN_MAX_MS} ms`);
  const vm = await Vm.boot({ lifetimeMs: runEndsAtMs - now });
  vm.onEnd(() => {
    guest = undefined;
    spare = undefined;
  });
  return vm;
}

function fork(vm: Vm, { distPath, execArgv, env }: PoolOptions): GuestProcess {
  const variables = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !HOST_ONLY.includes(entry[0]),
  );
  const started = vm.start({
    file: process.execPath,
    // Vitest's own entry of a forked process: it talks through process.send().
    args: [...execArgv, join(distPath, 'workers/forks.js')],
    cwd: process.cwd(),
    env: Object.fromEntries(variables),
    stdio: 'ipc',
  });
  started.on('output', (stream, bytes) => process[stream].write(bytes));
  started.on('exit', () => {
    if (spare === started) spare = undefined;
  });
  return started;
}
