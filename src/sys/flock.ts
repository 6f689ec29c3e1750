import { closeSync, openSync } from 'node:fs';
import { PodwireError } from '../errors.ts';
import { EAGAIN, EINTR, SysError } from './errno.ts';
import { errno, libc } from './libc.ts';

const LOCK_EX = 2; // sys/file.h
const LOCK_NB = 4;
const POLL_MIN_MS = 1;
const POLL_MAX_MS = 20;

/** Somebody else held the lock for the whole time the caller was ready to wait. */
export class LockTimeoutError extends PodwireError {
  readonly path: string;
  readonly timeoutMs: number;

  constructor(path: string, timeoutMs: number) {
    super('ERR_LOCK_TIMEOUT', `lock "${path}" still held by another process after ${timeoutMs} ms`);
    this.path = path;
    this.timeoutMs = timeoutMs;
  }
}

/** An exclusive flock(2), let go by `release()`, at the end of a `using` block, or by the exit. */
export interface FileLock extends Disposable {
  release(): void;
}

/**
 * Takes the exclusive flock(2) on `path`, creating the file where it is missing. It is the lock
 * other programs take with flock(2) on the same file. Blocks the thread, at most `timeoutMs`;
 * throws LockTimeoutError then. flock has no deadline of its own, hence the polling.
 */
export function lockFile(path: string, options: { timeoutMs: number; mode?: number }): FileLock {
  const fd = openSync(path, 'a', options.mode ?? 0o600);
  try {
    acquire(fd, path, options.timeoutMs);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    closeSync(fd);
  };
  return { release, [Symbol.dispose]: release };
}

function acquire(fd: number, path: string, timeoutMs: number): void {
  const deadlineMs = clockMs() + timeoutMs;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let pauseMs = POLL_MIN_MS;
  while (libc.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    const reason = errno();
    if (reason !== EAGAIN && reason !== EINTR) throw new SysError('flock', reason, path);
    if (clockMs() >= deadlineMs) throw new LockTimeoutError(path, timeoutMs);
    // Waiting a random part of the pause keeps many waiters from marching in step.
    Atomics.wait(sleeper, 0, 0, Math.ceil(pauseMs * Math.random()));
    pauseMs = Math.min(pauseMs * 2, POLL_MAX_MS);
  }
}

/** Time that never goes back. Loading `performance` would cost a plugin milliseconds. */
function clockMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
