import { sdNotify } from '../../sys/sd-notify.ts';
import type { Logger } from '../log.ts';

/** How often the line that `systemctl status` shows is looked at. */
const STATUS_INTERVAL_MS = 2_000;
const MICROSECONDS = 1_000n;

/** What the service manager is told of. */
export interface Watched {
  /** In one line, how it is doing. */
  summary(): string;
  /** Why the work does not go on; undefined when it does. */
  stuck(): string | undefined;
}

/**
 * Tells systemd how the agent is doing (sd_notify(3)), and that it is alive at half the interval of
 * its watchdog (sd_watchdog_enabled(3)): from the event loop, so that a loop that hangs says nothing,
 * and only as long as the work goes on. Does nothing where nobody asked.
 */
export class SystemdNotifier implements Disposable {
  readonly #log: Logger;
  #timers: NodeJS.Timeout[] = [];
  #watched: Watched | undefined;
  #summary: string | undefined;
  #stuck: string | undefined;
  #failed: string | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Says that the start is over, and from now on how it goes. */
  ready(watched: Watched): void {
    this.#watched = watched;
    this.#summary = watched.summary();
    this.#tell('READY=1', statusLine(this.#summary));
    this.#timers.push(setInterval(() => this.#tellSummary(), STATUS_INTERVAL_MS).unref());
    const intervalMs = watchdogIntervalMs(process.env, process.pid);
    if (intervalMs === undefined) return;
    this.#log.info({ intervalMs }, 'the service manager watches');
    this.#ping();
    this.#timers.push(setInterval(() => this.#ping(), intervalMs / 2).unref());
  }

  /** Says that a configuration is read again for as long as `work` takes. */
  async reloading(work: () => Promise<void>): Promise<void> {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / MICROSECONDS}`);
    try {
      await work();
    } finally {
      this.#tell('READY=1');
    }
  }

  /** Says that it is about to end. A watchdog that waits is still told that we are alive. */
  stopping(): void {
    this.#watched = undefined;
    this.#tell('STOPPING=1', statusLine('stopping; the rules stay in place'));
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #tellSummary(): void {
    const summary = this.#watched?.summary();
    if (summary === undefined || summary === this.#summary) return;
    this.#summary = summary;
    this.#tell(statusLine(summary));
  }

  #ping(): void {
    const stuck = this.#watched?.stuck();
    if (stuck !== undefined && this.#stuck === undefined) {
      this.#log.error({ reason: stuck }, 'the work does not go on; the watchdog is not told');
    }
    this.#stuck = stuck;
    if (stuck === undefined) this.#tell('WATCHDOG=1');
  }

  #tell(...assignments: string[]): void {
    try {
      sdNotify(...assignments);
      this.#failed = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#failed) {
        this.#log.error({ error: message }, 'the service manager can not be told');
      }
      this.#failed = message;
    }
  }
}

/** An assignment ends with its line. */
function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/\s+/g, ' ')}`;
}

/** The time the watchdog waits; undefined where there is none, or it is for another process. Pure. */
export function watchdogIntervalMs(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = environment;
  if (usec === undefined || (watched !== undefined && watched !== String(pid))) return undefined;
  const milliseconds = Number(usec) / 1000;
  return Number.isFinite(milliseconds) && milliseconds >= 1 ? milliseconds : undefined;
}
