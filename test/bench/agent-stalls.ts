import { isMainThread } from 'node:worker_threads';

/*
 * Loaded into an agent before its own modules (`node --import`), for `agent.ts`: prints each time in which the
 * main thread served nobody, as a line of JSON.
 */

/**
 * From when on nobody was served (Date.now), and for how long, in CPU time of the thread: that it had to wait for
 * a core is not its fault.
 */
export interface Stall {
  readonly sinceMs: number;
  readonly ms: number;
}

const TICK_MS = 1;
const STALL_MS_MIN = 5;

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

if (isMainThread) {
  let before = { nowMs: Date.now(), cpuMs: cpuMs() };
  setInterval(() => {
    const { nowMs: sinceMs, cpuMs: since } = before;
    before = { nowMs: Date.now(), cpuMs: cpuMs() };
    const stall: Stall = { sinceMs, ms: before.cpuMs - since };
    if (stall.ms >= STALL_MS_MIN) process.stdout.write(`${JSON.stringify(stall)}\n`);
  }, TICK_MS).unref();
}
