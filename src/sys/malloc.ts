import { libc } from './libc.ts';

const M_ARENA_MAX = -8; // malloc.h

/**
 * Has threads that are made from now on share so many arenas (mallopt(3)). Each arena keeps what was free
 * in it, and a process of many threads that seldom allocate has most of them for nothing.
 */
export function limitArenas(count: number): void {
  libc.mallopt(M_ARENA_MAX, count);
}

/** Gives free memory of all arenas back to the kernel (malloc_trim(3)). Gives whether there was any. */
export function trimArenas(): boolean {
  return libc.malloc_trim(0n) === 1;
}
