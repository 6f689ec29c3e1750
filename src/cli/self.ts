import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** How to start podwire again: the program and the arguments before the command's own. */
export function selfCommand(): readonly [string, ...string[]] {
  if (isSea()) return [process.execPath];
  return [process.execPath, '--no-warnings', join(import.meta.dirname, '../entry.ts')];
}

/** Starts a DNS worker from where this executable holds it; undefined in a source tree. */
export function workerSpawner(): ((options: WorkerOptions) => Worker) | undefined {
  if (!isSea()) return undefined;
  const code = getAsset('dns/udp-worker.cjs', 'utf8');
  return (options) => new Worker(code, { ...options, eval: true });
}
