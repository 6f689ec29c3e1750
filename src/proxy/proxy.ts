import type { ClusterState, Store, TouchedOthers } from '../cluster/store.ts';
import type { Addr } from '../ipaddr/addr.ts';
import { type Prefix, tryParsePrefix } from '../ipaddr/prefix.ts';
import type { ProxyBackend, Quarantined, SyncResult } from './backend.ts';
import type { ServiceRoute } from './model/route.ts';
import { type ModelSettings, withNode } from './model/settings.ts';
import { type Conflict, RouteTable } from './model/table.ts';
import type { NodeRules } from './node.ts';

/** A change is sent at once when the last sync was this long ago; those that follow sooner, together. */
const SETTLE_MS = 5;
/** What somebody else changed is repaired this long after they began, for they may not be done. */
const REPAIR_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 30_000;

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

/** How the proxy behaves, apart from what the cluster's objects say. */
export interface ProxyOptions {
  readonly settings: ModelSettings;
  readonly node: Omit<NodeRules, 'nodePortAddrs' | 'detector'>;
  /**
   * Where node ports are served (`nodePortAddresses`): on the addresses of our Node object, or on all
   * as long as there is none; on all; or on those of the node's addresses that are in prefixes.
   */
  readonly nodePorts: 'primary' | 'all' | readonly Prefix[];
  /** The addresses the node has now. */
  readonly localAddrs: () => readonly Addr[];
  /** Pods of this node are those in the podCIDRs of its Node (`detectLocalMode` NodeCIDR). */
  readonly detectsByNode: boolean;
  /** How often what the kernel has is read and repaired (`syncPeriod`). */
  readonly syncPeriodMs: number;
}

/** Keeps a backend's rules equal to the Services of a store. */
export class ServiceProxy implements Disposable {
  readonly #store: Store;
  readonly #table: RouteTable;
  readonly #backend: ProxyBackend;
  readonly #options: ProxyOptions;
  readonly #events: ProxyEvents;
  readonly #unsubscribe: () => void;
  readonly #watch: Disposable | undefined;
  readonly #resync: NodeJS.Timeout;
  #node: NodeRules;
  #settling: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;
  #syncedAtMs = 0;
  #repair: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #synced = false;
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
    this.#node = this.#nodeRules(store);
    this.#table = new RouteTable(options.settings);
    this.#table.reset(this.#settings(store), store);
    this.#unsubscribe = store.subscribe((state, touched, others) =>
      this.#change(state, touched, others),
    );
    this.#watch = backend.watch(() => this.#drifted());
    this.#resync = setInterval(() => {
      this.#node = this.#nodeRules(store);
      this.#backend.invalidate();
      this.#sync();
    }, options.syncPeriodMs);
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
    this.#unsubscribe();
    this.#watch?.[Symbol.dispose]();
    clearInterval(this.#resync);
    clearTimeout(this.#repair);
    this.#unschedule();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #change(state: ClusterState, touched: readonly string[], others: TouchedOthers): void {
    const { nodeName } = this.#options.settings;
    const nodeChanged = others.nodes.includes(nodeName);
    if (nodeChanged || others.serviceCidrs.length > 0) this.#node = this.#nodeRules(state);
    if (nodeChanged) this.#table.reset(this.#settings(state), state);
    else this.#table.update(state, touched);
    if (this.#settling !== undefined || this.#next !== undefined) return;
    const idleMs = performance.now() - this.#syncedAtMs;
    // Not within the store's call: all listeners come first, and what else it is told in this turn.
    if (idleMs >= SETTLE_MS) this.#next = setImmediate(() => this.#sync());
    else this.#settling = setTimeout(() => this.#sync(), SETTLE_MS - idleMs);
  }

  #settings(state: ClusterState): ModelSettings {
    const { settings, detectsByNode } = this.#options;
    return withNode(settings, state.nodes.get(settings.nodeName), detectsByNode);
  }

  /** The rules of the node, by its configuration and what the cluster's objects say of it. */
  #nodeRules(state: ClusterState): NodeRules {
    const { node } = this.#options;
    const cidrs = [...state.serviceCidrs.values()].flatMap((each) => each.cidrs);
    return {
      ...node,
      detector: this.#settings(state).detector,
      serviceCidrs: cidrs.length === 0 ? node.serviceCidrs : cidrs.flatMap(prefixesOf),
      nodePortAddrs: this.#nodePortAddrs(state),
    };
  }

  #nodePortAddrs(state: ClusterState): NodeRules['nodePortAddrs'] {
    const { nodePorts, localAddrs } = this.#options;
    if (nodePorts === 'all') return 'all';
    if (nodePorts !== 'primary') {
      return localAddrs().filter((addr) => nodePorts.some((prefix) => prefix.contains(addr)));
    }
    const { nodeAddrs } = this.#settings(state);
    return nodeAddrs.length === 0 ? 'all' : nodeAddrs;
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
    this.#unschedule();
    if (!this.#store.isComplete) return;
    const start = performance.now();
    const changes = this.#table.takeChanges().routes;
    let result: SyncResult | undefined;
    let failure: Error | undefined;
    try {
      result = this.#backend.sync({
        node: this.#node,
        routes: () => this.#table.routes(),
        changes,
      });
      this.#quarantined = result.quarantined;
      this.#retryMs = RETRY_MIN_MS;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      this.#backend.invalidate();
      this.#retry = setTimeout(() => this.#sync(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
    this.#synced = failure === undefined;
    this.#syncedAtMs = performance.now();
    this.#events.onSync({
      result,
      error: failure,
      durationSeconds: (performance.now() - start) / 1000,
      routes: this.#table.routeCount,
      services: this.#table.serviceCount,
      conflicts: this.#table.conflicts(),
      changes,
      node: this.#node,
    });
  }
}

function prefixesOf(text: string) {
  const prefix = tryParsePrefix(text);
  return prefix === undefined ? [] : [prefix];
}
