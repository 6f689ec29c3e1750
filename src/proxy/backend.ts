import type { ServiceRoute } from './model/route.ts';

/** What one synchronisation came to. */
export interface SyncResult {
  /** Messages sent to the kernel; 0 when it had everything already. */
  readonly changes: number;
}

/** A way of making the kernel follow routes. Each backend gives the same behaviour. */
export interface ProxyBackend extends Disposable {
  readonly name: string;
  /** Compares `routes` with what was last applied and sends the kernel the difference. */
  sync(routes: readonly ServiceRoute[]): SyncResult;
  /** Forgets what was applied, so that the next sync reads the kernel's state and repairs it. */
  invalidate(): void;
  /** Removes all that this backend ever made, and only that. Gives what was removed. */
  cleanup(): readonly string[];
}
