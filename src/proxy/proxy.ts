import type { ClusterState, Store } from '../cluster/store.ts';
import type { ProxyBackend } from './backend.ts';
import { type Conflict, RouteTable } from './model/table.ts';

/** Changes that come within this time of the first are sent together. */
const SETTLE_MS = 5;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 30_000;
/** How often what the kernel has is read and repaired; kube-proxy's syncPeriod. */
const RESYNC_MS = 30_000;

/** What the proxy tells its owner. */
export interface ProxyEvents {
  /** After each attempt; `changes` is undefined when it failed. */
  onSync(result: {
    readonly changes: number | undefined;
    readonly error: Error | undefined;
    readonly durationSeconds: number;
    readonly routes: number;
    readonly services: number;
    readonly conflicts: readonly Conflict[];
  }): void;
}

/** Keeps a backend's rules equal to the Services of a store. */
export class ServiceProxy implements Disposable {
  readonly #table = new RouteTable();
  readonly #backend: ProxyBackend;
  readonly #events: ProxyEvents;
  readonly #unsubscribe: () => void;
  readonly #resync: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #synced = false;

  /** Starts with the Services the store has; the first sync is made at once. */
  constructor(store: Store, backend: ProxyBackend, events: ProxyEvents) {
    this.#backend = backend;
    this.#events = events;
    this.#table.update(store, [...store.services.keys()]);
    this.#unsubscribe = store.subscribe((state, touched) => this.#change(state, touched));
    this.#resync = setInterval(() => {
      this.#backend.invalidate();
      this.#sync();
    }, RESYNC_MS);
    this.#sync();
  }

  /** Whether the rules follow the Services: the last sync held. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Stops following. The rules stay, so that traffic flows on. */
  close(): void {
    this.#unsubscribe();
    clearInterval(this.#resync);
    clearTimeout(this.#settling);
    clearTimeout(this.#retry);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #change(state: ClusterState, touched: readonly string[]): void {
    this.#table.update(state, touched);
    this.#settling ??= setTimeout(() => this.#sync(), SETTLE_MS);
  }

  #sync(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    clearTimeout(this.#retry);
    const start = performance.now();
    const { routes, conflicts } = this.#table.routes();
    let changes: number | undefined;
    let failure: Error | undefined;
    try {
      changes = this.#backend.sync(routes).changes;
      this.#retryMs = RETRY_MIN_MS;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      this.#retry = setTimeout(() => this.#sync(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
    this.#synced = failure === undefined;
    this.#events.onSync({
      changes,
      error: failure,
      durationSeconds: (performance.now() - start) / 1000,
      routes: routes.length,
      services: this.#table.serviceCount,
      conflicts,
    });
  }
}
