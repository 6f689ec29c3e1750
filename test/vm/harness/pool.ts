import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from 'vitest/node';
import type { GuestProcess } from './guest-process.ts';
import { SHARE, Vm } from './vm.ts';

/**
 * A pool of vitest like its own `forks`, but the processes are forked in a guest. Only they run
 * there: vitest itself, which would take long to start on an emulated processor, stays on the
 * host, transforms the modules and hands them over. All files share one guest, each has a process.
 */
export const vmPool: PoolRunnerInitializer = {
  name: 'vm',
  createPoolWorker: (options) => new VmPoolWorker(options),
};

let guest: Promise<Vm> | undefined;

class VmPoolWorker implements PoolWorker {
  readonly name = 'vm';
  readonly #options: PoolOptions;
  readonly #events = new EventEmitter();
  #process: GuestProcess | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    guest ??= Vm.boot();
    const vm = await guest;
    const { distPath, execArgv, env } = this.#options;
    const started = vm.start({
      file: process.execPath,
      args: [...execArgv, join(distPath, 'workers/forks.js')],
      cwd: process.cwd(),
      env: guestEnvironment(env),
      stdio: 'ipc',
    });
    started.on('message', (data) => this.#events.emit('message', data));
    started.on('output', (stream, bytes) => process[stream].write(bytes));
    started.on('exit', (code, signal, error) => {
      if (error !== undefined) this.#events.emit('error', new Error(error));
      this.#events.emit('exit', code, signal);
    });
    this.#process = started;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#process?.on('exit', () => resolve());
    this.#process?.kill('SIGKILL');
    await promise;
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

function guestEnvironment(env: Partial<NodeJS.ProcessEnv>): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !HOST_ONLY.has(entry[0]),
  );
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: join(SHARE, 'compile-cache') };
}

/** Variables that name what the host has and the guest doesn't. */
const HOST_ONLY = new Set(['TMPDIR', 'XDG_RUNTIME_DIR']);
