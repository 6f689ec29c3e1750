import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** How to start podwire again: the program and the arguments before the command's own. */
export function selfCommand(): readonly [string, ...string[]] {
  if (isSea()) return [process.execPath];
  return [process.execPath, '--no-warnings', join(import.meta.dirname, '../entry.ts')];
}

/** The threads podwire starts, by their modules below src. */
type Thread = 'dns/udp-worker' | 'cluster/decode-worker';

/** Starts threads of a kind from where this executable holds it; undefined in a source tree. */
export function workerSpawner(thread: Thread): ((options: WorkerOptions) => Worker) | undefined {
  if (!isSea()) return undefined;
  const code = getAsset(`${thread}.cjs`, 'utf8');
  return (options) => new Worker(code, { ...options, eval: true });
}
