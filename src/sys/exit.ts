import { libc } from './libc.ts';

/**
 * Ends the process at once, with _exit(2): nothing that is scheduled runs any more, and nothing is
 * taken apart, which the kernel does anyway. For processes that live a few milliseconds.
 */
export function exitNow(status: number): void {
  libc._exit(status);
}
