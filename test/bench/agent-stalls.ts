import { isMainThread } from 'node:worker_threads';

/*
 * Loaded into an agent before its own modules (`node --import`), for `agent.ts`: prints each time in which the
 * main thread served nobody, as a line of JSON.
 */

/** From when on nobody was served (Date.now), and for how long. */
export interface Stall {
  readonly sinceMs: number;
  readonly ms: number;
}

const TICK_MS = 1;
const STALL_MS_MIN = 5;

if (isMainThread) {
  let before = performance.now();
  setInterval(() => {
    const now = performance.now();
    const ms = now - before - TICK_MS;
    before = now;
    if (ms < STALL_MS_MIN) return;
    const stall: Stall = { sinceMs: Date.now() - ms, ms };
    process.stdout.write(`${JSON.stringify(stall)}\n`);
  }, TICK_MS).unref();
}
