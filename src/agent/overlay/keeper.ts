import type { Node } from '../../cluster/objects.ts';
import type { ClusterState, Store } from '../../cluster/store.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { NETLINK_ROUTE, RouteConnection } from '../../netlink/route/connection.ts';
import { ROUTE_GROUPS, type RouteEvent, routeEvent } from '../../netlink/route/event.ts';
import { Subscription } from '../../netlink/subscription.ts';
import { LockTimeoutError } from '../../sys/flock.ts';
import type { Logger } from '../log.ts';
import { type AppliedTunnel, applyPlan, type OverlayKernel } from './apply.ts';
import type { Problem } from './member.ts';
import { writeNetworkFiles } from './network-files.ts';
import { type OverlayPlan, planNodes } from './plan.ts';
import type { OverlaySettings } from './settings.ts';

/** Nodes that come together, and what one of our own changes makes the kernel say, cost one look. */
const GATHER_MS = 100;
/** How often all is looked at without being told. */
const RESYNC_MS = 10_000;
/** Before what failed is tried again; doubled each time. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;
/** Problems are told once each, and so many at most are remembered. */
const PROBLEMS_MAX = 1000;

/** What the keeper is made with. */
export interface OverlayKeeperOptions {
  readonly store: Store;
  readonly nodeName: string;
  readonly settings: OverlaySettings;
  readonly log: Logger;
  /** Called each time the overlay is what it should be, with this node's object. */
  readonly onReady?: (node: Node, tunnels: readonly AppliedTunnel[]) => void;
}

/** How the overlay is. */
export interface OverlayStatus {
  /** Why it is not what it should be; undefined when it is. */
  readonly notReady: string | undefined;
  readonly peers: number;
  readonly problems: readonly Problem[];
  /** How often the kernel was compared with the plan, for tests and people. */
  readonly syncs: number;
}

/**
 * Keeps what leads to the pods of other nodes as the Node objects say: at the start, when they change,
 * when the kernel says that somebody changed it, and now and then.
 */
export class OverlayKeeper implements Disposable {
  readonly #options: OverlayKeeperOptions;
  readonly #opened = new DisposableStack();
  readonly #kernel: OverlayKernel;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #retryMs = RETRY_MIN_MS;
  /** The plan for a state of the cluster, which is not worked out again while that is the same. */
  #planned: { readonly generation: number; readonly plan: OverlayPlan | undefined } | undefined;
  #told = new Set<string>();
  #ready = '';
  #notReady: string | undefined = 'it has not begun';
  #syncs = 0;
  /** The links whose entries are looked after. */
  #links = new Set<number>();
  /** Those of them that are tunnels. */
  #tunnels = new Set<number>();

  /** Begins to keep it, in the namespace the thread is in. Throws SysError where the kernel does not let it. */
  constructor(options: OverlayKeeperOptions) {
    this.#options = options;
    const { store } = options;
    using undo = new DisposableStack();
    undo.use(this.#opened);
    const route = this.#opened.use(RouteConnection.open());
    const nftables = this.#opened.use(NftablesConnection.open());
    this.#kernel = { route, nftables };
    this.#opened.use(
      Subscription.open({
        protocol: NETLINK_ROUTE,
        groups: [
          ...ROUTE_GROUPS.link,
          ...ROUTE_GROUPS.addr,
          ...ROUTE_GROUPS.neigh,
          ...ROUTE_GROUPS.route,
        ],
        onMessage: (message) => {
          const event = routeEvent(message);
          if (event !== undefined && this.#concerns(event)) this.#wake(GATHER_MS);
        },
        onLost: () => this.#wake(GATHER_MS),
        onError: (error) => this.#options.log.error({ error: String(error) }, 'no kernel events'),
      }),
    );
    this.#opened.defer(
      store.subscribe((_state, _services, { nodes }) => {
        if (nodes.length > 0 || this.#planned === undefined) this.#wake(GATHER_MS);
      }),
    );
    undo.move();
    this.#sync();
  }

  /** How the overlay is now. */
  get status(): OverlayStatus {
    const plan = this.#planned?.plan;
    const tunnels = plan?.tunnels ?? [];
    const peers = new Set(
      tunnels.flatMap((each) => each.peers.map(({ endpoint }) => endpoint.key)),
    );
    const own = tunnels.length;
    return {
      notReady: this.#notReady,
      peers: Math.max(0, peers.size - own),
      problems: plan?.problems ?? [],
      syncs: this.#syncs,
    };
  }

  /** Ends it; what is in the kernel stays. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#dueMs = Number.NEGATIVE_INFINITY;
    this.#opened.dispose();
  }

  /** Whether what the kernel says may be about the overlay. What pods do says a lot of other things. */
  #concerns(event: RouteEvent): boolean {
    switch (event.object) {
      case 'link':
        return this.#links.has(event.link.index) || this.#notReady !== undefined;
      case 'addr':
        return this.#links.has(event.addr.linkIndex) || this.#notReady !== undefined;
      case 'neigh':
        return this.#tunnels.has(event.neigh.linkIndex);
      case 'fdb':
        return this.#tunnels.has(event.entry.linkIndex);
      case 'route':
        return this.#links.has(event.route.linkIndex ?? 0);
      case 'rule':
        return false;
    }
  }

  #wake(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.#sync(), delayMs);
  }

  #sync(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#syncs += 1;
    const { log } = this.#options;
    try {
      this.#notReady = this.#apply();
      this.#retryMs = RETRY_MIN_MS;
      this.#wake(RESYNC_MS);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // A plugin is at it for a moment; that is nothing to tell.
      const isPassing = error instanceof LockTimeoutError;
      if (!isPassing && reason !== this.#notReady)
        log.error({ error: reason }, 'overlay; trying again');
      if (!isPassing) this.#notReady = reason;
      this.#wake(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
  }

  /** Gives why there is nothing to do yet, or undefined when all is as it should be. */
  #apply(): string | undefined {
    const { store, nodeName, settings, log, onReady } = this.#options;
    // What is not known may still be there: nothing is taken away for it.
    if (!store.isComplete) return 'the nodes of the cluster are not known yet';
    const plan = this.#plan(store);
    if (plan === undefined) return `there is no Node "${nodeName}"`;
    this.#tell(plan.problems);
    if (plan.tunnels.length === 0) return `Node "${nodeName}" has no podCIDR and address yet`;
    const applied = applyPlan(this.#kernel, plan, settings);
    this.#links = new Set(applied.flatMap(({ links }) => links));
    this.#tunnels = new Set(applied.map(({ links: [device] }) => device));
    const mtu = Math.min(...applied.map((each) => each.mtu));
    writeNetworkFiles(settings, plan.subnets, mtu);
    const ready = applied.map(({ tunnel, mac }) => `${tunnel.local} ${mac}`).join();
    if (ready !== this.#ready) {
      this.#ready = ready;
      log.info({ subnets: plan.subnets.map(String), mtu, ready }, 'overlay ready');
    }
    const node = store.nodes.get(nodeName);
    if (node !== undefined) onReady?.(node, applied);
    return undefined;
  }

  #plan(state: ClusterState): OverlayPlan | undefined {
    const { generation, nodes } = state;
    if (this.#planned?.generation !== generation) {
      const { nodeName, settings } = this.#options;
      this.#planned = { generation, plan: planNodes(nodes.values(), nodeName, settings) };
    }
    return this.#planned.plan;
  }

  /** Says each problem when it is new. */
  #tell(problems: readonly Problem[]): void {
    const told = new Set<string>();
    for (const { node, text } of problems.slice(0, PROBLEMS_MAX)) {
      const key = `${node}: ${text}`;
      if (!this.#told.has(key)) this.#options.log.error({ node, problem: text }, 'node left out');
      told.add(key);
    }
    this.#told = told;
  }
}
