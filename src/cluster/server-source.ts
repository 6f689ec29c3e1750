import type { ClusterObject } from './objects.ts';

/*
 * What sources that follow a server have alike: the Kubernetes API server's and etcd's.
 */

/** What following does: nothing yet, reads all there is, hears of changes, waits after a failure. */
export type FollowState = 'starting' | 'listing' | 'watching' | 'waiting' | 'absent';

/** How one resource, or all that is below one prefix, is doing. */
export interface ResourceStatus {
  readonly path: string;
  readonly state: FollowState;
  readonly resourceVersion: string | undefined;
  readonly error: string | undefined;
}

/** How a source is doing. */
export interface ServerStatus {
  /** The server, for people. */
  readonly server: string;
  /** Whether the store has had all there is since the start. */
  readonly isSynced: boolean;
  /** Whether every change is heard of now. */
  readonly isCurrent: boolean;
  /** Since when what the store has may be out of date (Date.now); undefined while it is current. */
  readonly staleSinceMs: number | undefined;
  /** When what the store has was saved (Date.now), where it is no newer than that. */
  readonly restoredFromMs: number | undefined;
  /** When the server was last heard (Date.now). */
  readonly heardMs: number | undefined;
  readonly lastError: string | undefined;
  readonly objects: number;
  readonly resources: readonly ResourceStatus[];
}

/** What a source tells its owner. */
export interface ServerEvents {
  /** All was read for the first time, and the store has it. */
  onSynced(): void;
  /** Something is wrong; called once for each new message. */
  onError(message: string): void;
  /** What was wrong is well again. */
  onRecovered(): void;
}

/** Keeps a part of a store equal to what a server has, for as long as it is open. */
export interface ServerSource extends Disposable {
  readonly status: ServerStatus;
  /** Begins to ask the server. What the part has stays until all of the server's is known. */
  start(): void;
  /**
   * Puts what was known at another time into the store, until the server tells what there is now. Gives
   * whether it was wanted: what is newer is not replaced.
   */
  restore(objects: readonly ClusterObject[], savedMs: number): boolean;
}
