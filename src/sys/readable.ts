import { constants } from 'node:os';
import type { Fd } from './fd.ts';
import { check, libc } from './libc.ts';

/*
 * Node polls no descriptors but its own kinds, and a netlink socket is none of them. The kernel can
 * send a signal when a descriptor becomes readable (fcntl(2), O_ASYNC), and Node brings signals to
 * the event loop. That needs neither a thread nor an addon.
 */

const F_SETFL = 4; // asm-generic/fcntl.h
const F_GETFL = 3;
const F_SETOWN = 8;
const F_SETSIG = 10;
const O_ASYNC = 0o20000;

/** A signal that nobody else sends, and that does nothing to a process that no longer listens. */
const SIGNAL = 'SIGURG';
/**
 * Signals are not lost, but whoever else in the process took SIGURG over would make us deaf. So the
 * watchers are also called this often. The timer keeps the process alive, as a watched socket should.
 */
const RECHECK_MS = 1000;

const watchers = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

function callAll(): void {
  // One that is ended by another before its turn is not called: a Set's iteration sees to that.
  for (const watcher of watchers) watcher();
}

/**
 * Calls `onReadable` on the event loop after anything came for `fd`, and now and then besides: it
 * must take all there is and bear that there is nothing. Main thread only, for Node brings signals
 * to no other. The descriptor must not be closed before the watch is.
 */
export function watchReadable(fd: Fd, onReadable: () => void): Disposable {
  // Asked for only here: plugins load this file and have no use for threads.
  if (process.getBuiltinModule('node:worker_threads').isMainThread === false) {
    throw new Error('watchReadable: signals reach the main thread only');
  }
  const watcher = (): void => onReadable();
  const { number } = fd;
  if (watchers.size === 0) {
    process.on(SIGNAL, callAll);
    timer = setInterval(callAll, RECHECK_MS);
  }
  watchers.add(watcher);
  const end = (): void => {
    if (!watchers.delete(watcher) || watchers.size > 0) return;
    process.off(SIGNAL, callAll);
    clearInterval(timer);
  };
  try {
    check('fcntl', libc.fcntl(number, F_SETOWN, BigInt(process.pid)), 'F_SETOWN');
    check('fcntl', libc.fcntl(number, F_SETSIG, BigInt(constants.signals[SIGNAL])), 'F_SETSIG');
    setAsync(number, true);
  } catch (error) {
    end();
    throw error;
  }
  // What came before the first signal could be sent.
  const first = setImmediate(watcher);
  return {
    [Symbol.dispose]: () => {
      clearImmediate(first);
      if (watchers.has(watcher)) setAsync(number, false);
      end();
    },
  };
}

function setAsync(fd: number, on: boolean): void {
  const flags = check('fcntl', libc.fcntl(fd, F_GETFL, 0n), 'F_GETFL');
  const changed = on ? flags | O_ASYNC : flags & ~O_ASYNC;
  check('fcntl', libc.fcntl(fd, F_SETFL, BigInt(changed)), `F_SETFL, 0o${changed.toString(8)}`);
}
