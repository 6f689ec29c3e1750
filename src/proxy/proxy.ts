import type { ClusterState, Store, TouchedOthers } from '../cluster/store.ts';
import {
  OwnedElsewhereError,
  type ProxyBackend,
  type Quarantined,
  type SyncResult,
} from './backend.ts';
import type { ServiceRoute } from './model/route.ts';
import { type Conflict, RouteTable } from './model/table.ts';
import type { NodeRules } from './node.ts';
import { nodeRulesIn, type ProxyOptions, settingsIn } from './options.ts';

/** A change is sent at once when the last sync was this long ago; those that follow sooner, together. */
const SETTLE_MS = 5;
/** What somebody else changed is repaired this long after they began, for they may not be done. */
const REPAIR_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 30_000;
/** An agent that is replaced may end at any moment. */
const OWNED_RETRY_MS = 500;

/** One attempt to make the kernel follow. */
export interface Sync {
  /** Undefined when it failed. */
  readonly result: SyncResult | undefined;
  readonly error: Error | undefined;
  readonly durationSeconds: number;
  readonly routes: number;
  readonly services: number;
  readonly conflicts: readonly Conflict[];
  /** The routes that changed since the last attempt, and the rules of the node. */
  readonly changes: ReadonlyMap<string, ServiceRoute | undefined>;
  readonly node: NodeRules;
}

/** What the proxy tells its owner. */
export interface ProxyEvents {
  /** After each attempt. */
  onSync(sync: Sync): void;
  /** Somebody else changed our rules; they are about to be repaired. */
  onDrift?(): void;
}

/** Keeps a backend's rules equal to the Services of a store. */
export class ServiceProxy implements Disposable {
  readonly #store: Store;
  readonly #table: RouteTable;
  readonly #backend: ProxyBackend;
  #options: ProxyOptions;
  readonly #events: ProxyEvents;
  readonly #unsubscribe: () => void;
  /** From the first sync on: till then nobody need be told of every element that is loaded. */
  #watch: Disposable | undefined;
  #resync: NodeJS.Timeout;
  #node: NodeRules;
  #settling: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;
  #syncedAtMs = 0;
  #repair: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #synced = false;
  /** The backend is at work, and whether it is to be called once more then. */
  #running = false;
  #again = false;
  #closed = false;
  #quarantined: readonly Quarantined[] = [];

  /**
   * Starts with the Services the store has; the first sync is made at once, or when the store is
   * complete: till then the rules of whoever ran here last are better than rules for half of them.
   */
  constructor(store: Store, backend: ProxyBackend, options: ProxyOptions, events: ProxyEvents) {
    this.#store = store;
    this.#backend = backend;
    this.#options = options;
    this.#events = events;
    this.#node = nodeRulesIn(store, this.#options);
    this.#table = new RouteTable(options.settings);
    this.#table.reset(settingsIn(store, this.#options), store);
    this.#unsubscribe = store.subscribe((state, touched, others) =>
      this.#change(state, touched, others),
    );
    this.#sync();
    this.#resync = this.#resyncEvery(options.syncPeriodMs);
  }

  /**
   * Has other options from now on; the rules become what these mean in one transaction. The name of the
   * node stays.
   */
  reconfigure(options: ProxyOptions): void {
    clearInterval(this.#resync);
    this.#resync = this.#resyncEvery(options.syncPeriodMs);
    this.#options = options;
    this.#node = nodeRulesIn(this.#store, options);
    this.#table.reset(settingsIn(this.#store, options), this.#store);
    this.#sync();
  }

  /** Whether the rules follow the Services: the last sync held. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The routes that are not served, for the kernel refuses them. */
  get quarantined(): readonly Quarantined[] {
    return this.#quarantined;
  }

  /** Stops following. The rules stay, so that traffic flows on. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#watch?.[Symbol.dispose]();
    clearInterval(this.#resync);
    clearTimeout(this.#repair);
    this.#unschedule();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #resyncEvery(periodMs: number): NodeJS.Timeout {
    return setInterval(() => {
      this.#node = nodeRulesIn(this.#store, this.#options);
      this.#backend.invalidate();
      this.#sync();
    }, periodMs);
  }

  #change(state: ClusterState, touched: readonly string[], others: TouchedOthers): void {
    const { nodeName } = this.#options.settings;
    const nodeChanged = others.nodes.includes(nodeName);
    if (nodeChanged || others.serviceCidrs.length > 0)
      this.#node = nodeRulesIn(state, this.#options);
    if (nodeChanged) this.#table.reset(settingsIn(state, this.#options), state);
    else this.#table.update(state, touched);
    if (this.#settling !== undefined || this.#next !== undefined) return;
    const idleMs = performance.now() - this.#syncedAtMs;
    // Not within the store's call: all listeners come first, and what else it is told in this turn.
    if (idleMs >= SETTLE_MS) this.#next = setImmediate(() => this.#sync());
    else this.#settling = setTimeout(() => this.#sync(), SETTLE_MS - idleMs);
  }

  /** Repairs what others did, once they leave it alone for a moment. */
  #drifted(): void {
    if (this.#repair !== undefined) return;
    this.#events.onDrift?.();
    this.#repair = setTimeout(() => {
      this.#repair = undefined;
      this.#backend.invalidate();
      this.#sync();
    }, REPAIR_MS);
  }

  #unschedule(): void {
    clearTimeout(this.#settling);
    clearImmediate(this.#next);
    clearTimeout(this.#retry);
    this.#settling = undefined;
    this.#next = undefined;
  }

  #sync(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#unschedule();
    if (!this.#store.isComplete) return;
    const attempt = {
      startMs: performance.now(),
      changes: this.#table.takeChanges().routes,
      node: this.#node,
    };
    let outcome: SyncResult | Promise<SyncResult>;
    try {
      const routes = () => this.#table.routes();
      outcome = this.#backend.sync({ node: attempt.node, routes, changes: attempt.changes });
    } catch (error) {
      this.#end(attempt, undefined, error);
      return;
    }
    if (!(outcome instanceof Promise)) {
      this.#end(attempt, outcome);
      return;
    }
    this.#running = true;
    const finish = (result: SyncResult | undefined, error?: unknown): void => {
      this.#running = false;
      if (this.#closed) return;
      this.#end(attempt, result, error);
      if (!this.#again) return;
      this.#again = false;
      this.#sync();
    };
    void outcome.then(
      (result) => finish(result),
      (error: unknown) => finish(undefined, error),
    );
  }

  /** Takes down how an attempt ended; one without a result is made again. */
  #end(
    { startMs, changes, node }: Attempt,
    result: SyncResult | undefined,
    reason?: unknown,
  ): void {
    let error: Error | undefined;
    if (result === undefined) {
      error = reason instanceof Error ? reason : new Error(String(reason));
      this.#backend.invalidate();
      const isOwned = error instanceof OwnedElsewhereError;
      this.#retry = setTimeout(() => this.#sync(), isOwned ? OWNED_RETRY_MS : this.#retryMs);
      this.#retryMs = isOwned ? RETRY_MIN_MS : Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    } else {
      this.#quarantined = result.quarantined;
      this.#retryMs = RETRY_MIN_MS;
    }
    this.#synced = error === undefined;
    if (this.#synced) this.#watch ??= this.#backend.watch(() => this.#drifted());
    this.#syncedAtMs = performance.now();
    this.#events.onSync({
      result,
      error,
      durationSeconds: (performance.now() - startMs) / 1000,
      routes: this.#table.routeCount,
      services: this.#table.serviceCount,
      conflicts: this.#table.conflicts(),
      changes,
      node,
    });
  }
}

/** One call of the backend. */
interface Attempt extends Pick<Sync, 'changes' | 'node'> {
  readonly startMs: number;
}
