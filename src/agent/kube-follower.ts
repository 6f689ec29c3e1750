import type { Access } from '../cluster/kube/access.ts';
import type { Wanted } from '../cluster/kube/resource.ts';
import { KubeSource, type KubeStatus } from '../cluster/kube/source.ts';
import { readState, type SavedState } from '../cluster/saved-state/file.ts';
import { prepareDirectory } from '../cluster/saved-state/prepare.ts';
import { StateSaver } from '../cluster/saved-state/saver.ts';
import type { Store, StorePart } from '../cluster/store.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

/** How long a server that says nothing is waited for before the saved state is served. */
const SILENCE_MS = 500;
/** The same for one that is there, and may have much to say: it is about to tell what is true now. */
const SLOW_MS = 10_000;
/** A watch that is broken for less is made again; what is known is as good as the server's. */
const STALE_AFTER_MS = 30_000;
const STALE_CHECK_INTERVAL_MS = 1_000;

/** Which API server is followed, and by whom. */
export interface KubeFollowerOptions {
  readonly access: Access;
  readonly nodeName: string;
  readonly userAgent: string;
  /** The file of the saved state; undefined for none. */
  readonly savedState: string | undefined;
}

/** Follows an API server, and begins with what was saved when that is away. */
export class KubeFollower implements Disposable {
  readonly #store: Store;
  readonly #part: StorePart;
  readonly #options: KubeFollowerOptions;
  readonly #log: Logger;
  readonly #source: KubeSource;
  readonly #startMs = performance.now();
  #saved: SavedState | undefined;
  #waiting: NodeJS.Timeout | undefined;
  readonly #checking: NodeJS.Timeout;
  #saver: StateSaver | undefined;

  /** Begins to ask the server; the store is complete when it has answered, or the saved state is served. */
  constructor(store: Store, options: KubeFollowerOptions, log: Logger, metrics: AgentMetrics) {
    this.#store = store;
    this.#options = options;
    this.#log = log;
    this.#part = store.part();
    const { access, nodeName, userAgent } = options;
    store.isComplete = false;
    this.#source = new KubeSource(
      this.#part,
      { access, nodeName, userAgent, pods: 'none', imports: false },
      {
        onSynced: () => this.#synced(),
        onError: (error) => {
          metrics.kubeError();
          log.error({ error }, 'API server; the last good state stays in force');
        },
        onRecovered: () => log.info({ server: this.#server }, 'the API server is well again'),
      },
    );
    metrics.kube = () => this.#source.status;
    this.#source.start();
    this.#saved = this.#readSaved();
    this.#waitForServer();
    this.#checking = setInterval(() => this.#markStale(), STALE_CHECK_INTERVAL_MS).unref();
  }

  get status(): KubeStatus {
    return this.#source.status;
  }

  /** See KubeSource.want. */
  want(wanted: Partial<Wanted>): void {
    this.#source.want(wanted);
  }

  /** Saves what is known and not saved yet; resolves when it is on the disk. */
  async save(): Promise<void> {
    await this.#saver?.stop();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#waiting);
    clearInterval(this.#checking);
    this.#source.close();
  }

  get #server(): string {
    return this.#options.access.server.origin;
  }

  #readSaved(): SavedState | undefined {
    const { savedState } = this.#options;
    if (savedState === undefined) return undefined;
    try {
      prepareDirectory(savedState);
      return readState(savedState, this.#server);
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, 'the saved state can not be used');
      return undefined;
    }
  }

  /** Has those who read the store know how old it is. */
  #markStale(): void {
    const { restoredFromMs, staleSinceMs } = this.#source.status;
    const ageMs = staleSinceMs === undefined ? 0 : Date.now() - staleSinceMs;
    this.#store.isStale = restoredFromMs !== undefined || ageMs > STALE_AFTER_MS;
  }

  /** Serves the saved state when the server does not tell a better one in time. */
  #waitForServer(): void {
    if (this.#saved === undefined) return;
    this.#waiting = setTimeout(() => {
      const isThere = this.#source.status.heardMs !== undefined;
      const isOverdue = performance.now() - this.#startMs >= SLOW_MS;
      if (isThere && !isOverdue) this.#waitForServer();
      else this.#restore();
    }, SILENCE_MS);
  }

  #restore(): void {
    const saved = this.#saved;
    this.#saved = undefined;
    if (saved === undefined || !this.#source.restore(saved.objects, saved.savedMs)) return;
    const { savedState } = this.#options;
    const savedAt = new Date(saved.savedMs).toISOString();
    this.#log.warn(
      { savedState, savedAt, objects: saved.objects.length },
      'the API server does not answer; the saved state is served, which may be out of date',
    );
    this.#markStale();
    this.#store.isComplete = true;
  }

  #synced(): void {
    clearTimeout(this.#waiting);
    this.#saved = undefined;
    const { objects } = this.#source.status;
    this.#log.info({ server: this.#server, objects }, 'the API server was read');
    this.#markStale();
    this.#store.isComplete = true;
    const { savedState } = this.#options;
    if (savedState === undefined) return;
    this.#saver = new StateSaver(savedState, this.#server, this.#store, this.#part, {
      onSaved: (saved) => this.#log.debug({ savedState, ...saved }, 'state saved'),
      onError: (error) =>
        this.#log.error({ error: error.message }, 'the state can not be saved; trying again'),
    });
  }
}
