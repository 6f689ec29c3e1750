import type { Quarantined } from '../../proxy/backend.ts';
import type { Sync } from '../../proxy/proxy.ts';
import { iso } from './report.ts';
import type { ProxyStatus } from './status.ts';

/** What is remembered of the attempts to make the kernel follow. */
export class SyncRecord {
  #last: { readonly sync: Sync; readonly atMs: number } | undefined;
  #syncs = 0;
  #failures = 0;
  #slowestMs: number | null = null;
  /** Since when a change waits to be tried (performance.now). */
  #waitsSince: number | undefined;

  /** Something changed, and is to be tried soon. */
  queued(): void {
    this.#waitsSince ??= performance.now();
  }

  /** An attempt was made. One that failed is tried again, and counts as such. */
  synced(sync: Sync): void {
    this.#last = { sync, atMs: Date.now() };
    this.#syncs += 1;
    if (sync.error !== undefined) this.#failures += 1;
    this.#slowestMs = Math.max(this.#slowestMs ?? 0, milliseconds(sync));
    this.#waitsSince = undefined;
  }

  /** For how long a change has been waiting without an attempt to make the kernel follow. */
  get waitingMs(): number {
    return this.#waitsSince === undefined ? 0 : performance.now() - this.#waitsSince;
  }

  /** How long the slowest attempt took since the last time this was asked; null without any. */
  takeSlowestMs(): number | null {
    const slowest = this.#slowestMs;
    this.#slowestMs = null;
    return slowest;
  }

  /** The status, with at most so many of the refused routes. */
  status(
    proxy: Pick<ProxyStatus, 'backend' | 'synced' | 'protection'>,
    quarantined: readonly Quarantined[],
    max: number,
  ): ProxyStatus {
    const last = this.#last;
    return {
      ...proxy,
      services: last?.sync.services ?? 0,
      routes: last?.sync.routes ?? 0,
      lastSync:
        last === undefined
          ? null
          : {
              at: iso(last.atMs),
              durationMs: milliseconds(last.sync),
              changes: last.sync.result?.changes ?? null,
              error: last.sync.error?.message ?? null,
            },
      syncCount: this.#syncs,
      failureCount: this.#failures,
      quarantined: quarantined
        .slice(0, max)
        .map(({ route, error }) => ({ service: route.name, error: error.message })),
      quarantinedCount: quarantined.length,
    };
  }
}

/** To a hundredth. */
function milliseconds({ durationSeconds }: Sync): number {
  return Math.round(durationSeconds * 100_000) / 100;
}
