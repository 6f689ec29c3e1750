import { PodwireError } from '../errors.ts';
import type { DepartedWay, ServiceRoute } from './model/route.ts';
import type { NodeRules } from './node.ts';

/** What the node should do, as a whole and as what became different. */
export interface Desired {
  readonly node: NodeRules;
  /** All routes in force, with their keys. */
  routes(): Iterable<readonly [string, ServiceRoute]>;
  /** What changed since the last sync: a route, or undefined for one that is gone. */
  readonly changes: ReadonlyMap<string, ServiceRoute | undefined>;
}

/** A route the kernel refused, so that the others could be made. */
export interface Quarantined {
  readonly route: ServiceRoute;
  readonly error: Error;
}

/** What a backend made belongs to another process that runs. It can be had once that has ended. */
export class OwnedElsewhereError extends PodwireError {
  constructor(what: readonly string[], owner: string) {
    super(
      'ERR_PROXY_OWNED',
      `${what.join(' and ')}: owned by ${owner}, expected it to be stopped first`,
    );
  }
}

/** Who can change what a backend made, beside the process that made it. */
export interface Protection {
  /** Whether the kernel keeps all others off, until this process ends. */
  readonly isOwned: boolean;
  /** Why, in words. */
  readonly reason: string;
}

/** What one synchronisation came to. */
export interface SyncResult {
  /** Changes sent to the kernel; 0 when it had everything already, though it may have become ours. */
  readonly changes: number;
  /** Whether what the kernel has was read and compared, instead of only the changes being sent. */
  readonly full: boolean;
  /** The routes that are not served, for the kernel refuses them. */
  readonly quarantined: readonly Quarantined[];
  /** Ways in over UDP and SCTP that were found in the kernel and removed, as far as it tells them. */
  readonly departed?: readonly DepartedWay[];
  /** How many rules there are now, and how many were written, where a backend has one for each Service. */
  readonly rules?: readonly RuleCount[];
}

/** The rules of a table. */
export interface RuleCount {
  readonly family: 4 | 6;
  readonly table: string;
  readonly total: number;
  /** In this synchronisation. */
  readonly written: number;
}

/** A way of making the kernel follow routes. Each backend gives the same behaviour. */
export interface ProxyBackend extends Disposable {
  readonly name: string;
  /** Whether others can change what was made; undefined before the first sync, or where nothing is said. */
  readonly protection?: Protection | undefined;
  /**
   * Makes the kernel do what is desired, in one transaction where it has such. Throws when the kernel
   * can't be brought there; the next sync then reads what it has and starts from that.
   *
   * A backend that waits for others gives a promise; it takes what it needs of `desired` before, and is
   * not called again until then.
   */
  sync(desired: Desired): SyncResult | Promise<SyncResult>;
  /** Has the next sync make sure that the kernel has what was applied, and repair it where it hasn't. */
  invalidate(): void;
  /**
   * Calls `onDrift` when somebody else changed what is ours, soon after it happened. Gives what ends
   * it; undefined where the kernel doesn't tell.
   */
  watch(onDrift: () => void): Disposable | undefined;
  /** Removes all that this backend ever made, and only that. Gives what was removed. */
  cleanup(): readonly string[];
}
