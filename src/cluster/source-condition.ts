import type { ServerEvents } from './server-source.ts';

/** Whether a source is up to date, and what is wrong with it; tells its owner what is new about it. */
export class SourceCondition {
  /** Since when what the store has may be out of date (Date.now); undefined while it is current. */
  staleSinceMs: number | undefined = Date.now();
  lastError: string | undefined;
  readonly #events: ServerEvents;
  #reported = new Set<string>();

  constructor(events: ServerEvents) {
    this.#events = events;
  }

  /** Takes note of how the source is doing now: whether it hears every change, and all that is wrong. */
  update(isCurrent: boolean, problems: Iterable<string>): void {
    this.staleSinceMs = isCurrent ? undefined : (this.staleSinceMs ?? Date.now());
    const before = this.#reported;
    this.#reported = new Set(problems);
    for (const message of this.#reported) {
      this.lastError = message;
      if (!before.has(message)) this.#events.onError(message);
    }
    if (before.size > 0 && this.#reported.size === 0) this.#events.onRecovered();
  }
}
