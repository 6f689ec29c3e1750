import { readState, type SavedState } from '../cluster/saved-state/file.ts';
import { prepareDirectory } from '../cluster/saved-state/prepare.ts';
import { StateSaver } from '../cluster/saved-state/saver.ts';
import type { ServerEvents, ServerSource } from '../cluster/server-source.ts';
import type { Store, StorePart } from '../cluster/store.ts';
import type { HealthRegistry } from './health/registry.ts';
import { sourceProblems } from './health/source-problems.ts';
import type { Logger } from './log.ts';
import type { ServerMetrics } from './server-metrics.ts';

/** How long a server that says nothing, not even no, is waited for before the saved state is served. */
const SILENCE_MS = 500;
/** The same for one that is there, and may have much to say: it is about to tell what is true now. */
const SLOW_MS = 10_000;
/** A watch that is broken for less is made again; what is known is as good as the server's. */
const STALE_AFTER_MS = 30_000;
const STALE_CHECK_INTERVAL_MS = 1_000;

/** Which server is followed, and how. */
export interface ServerFollowerOptions<Source> {
  /** What people call it, such as `etcd`. */
  readonly name: string;
  /** Tells it from others, whose saved state is not to be served. */
  readonly origin: string;
  /** Makes what follows it. */
  readonly open: (part: StorePart, events: ServerEvents) => Source;
  /** The file of the saved state; undefined for none. */
  readonly savedState: string | undefined;
  /**
   * It takes the place of what is followed now: called when it has told all it has, to let go of that,
   * whose state has been saved when it resolves. Till then the store has the objects of both.
   */
  readonly replaces?: (() => Promise<void>) | undefined;
  readonly metrics: ServerMetrics;
}

/** Follows a server, and begins with what was saved when that is away. */
export class ServerFollower<Source extends ServerSource = ServerSource> implements Disposable {
  readonly source: Source;
  readonly #store: Store;
  readonly #part: StorePart;
  readonly #options: ServerFollowerOptions<Source>;
  readonly #log: Logger;
  readonly #health: HealthRegistry;
  readonly #probes = new DisposableStack();
  readonly #startMs = performance.now();
  readonly #status = () => this.source.status;
  #isClosed = false;
  #saved: SavedState | undefined;
  #waiting: NodeJS.Timeout | undefined;
  readonly #checking: NodeJS.Timeout;
  #saver: StateSaver | undefined;

  /** Begins to ask the server; the store is complete when it has answered, or the saved state is served. */
  constructor(
    store: Store,
    options: ServerFollowerOptions<Source>,
    log: Logger,
    health: HealthRegistry,
  ) {
    this.#health = health;
    this.#store = store;
    this.#options = options;
    this.#log = log;
    this.#part = store.part();
    const { name, origin, metrics } = options;
    if (options.replaces === undefined) store.isComplete = false;
    this.source = options.open(this.#part, {
      onSynced: () => void this.#synced(),
      onError: (error) => {
        metrics.error();
        log.error({ error }, `${name}; the last good state stays in force`);
        // One that can't be reached need not be waited for.
        if (this.source.status.heardMs === undefined) this.#restore();
      },
      onRecovered: () => log.info({ server: origin }, `${name} is well again`),
    });
    metrics.status = this.#status;
    for (const state of ['source-away', 'objects-refused', 'serving-saved-state'] as const) {
      this.#probes.use(health.probe(state, () => sourceProblems(this.source.status)[state]));
    }
    this.source.start();
    // What is in force is better than what was once saved.
    if (options.replaces === undefined) this.#saved = this.#readSaved();
    this.#waitForServer();
    this.#checking = setInterval(() => this.#markStale(), STALE_CHECK_INTERVAL_MS).unref();
  }

  /** Saves what is known and not saved yet; resolves when it is on the disk. */
  async save(): Promise<void> {
    await this.#saver?.stop();
  }

  /** Ends it, and takes what it had out of the store, once that is saved. */
  async retire(): Promise<void> {
    this[Symbol.dispose]();
    await this.save();
    this.#part.replace([]);
    this.#store.markStale(this.#part, false);
    this.#saveFails(undefined);
    const { metrics } = this.#options;
    if (metrics.status === this.#status) metrics.status = undefined;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#waiting);
    clearInterval(this.#checking);
    this.#probes.dispose();
    this.source[Symbol.dispose]();
  }

  #readSaved(): SavedState | undefined {
    const { savedState } = this.#options;
    if (savedState === undefined) return undefined;
    return this.#trySaved(() => {
      prepareDirectory(savedState);
      return readState(savedState, this.#options.origin);
    });
  }

  /** Says so where it throws. */
  #trySaved<T>(use: () => T): T | undefined {
    try {
      return use();
    } catch (error) {
      const { message } = error as Error;
      this.#saveFails(message);
      this.#log.error({ error: message }, 'the saved state can not be used');
      return undefined;
    }
  }

  /** Has those who read the store know whether it may be out of date. */
  #markStale(): void {
    const { restoredFromMs, staleSinceMs } = this.source.status;
    const ageMs = staleSinceMs === undefined ? 0 : Date.now() - staleSinceMs;
    const isStale = restoredFromMs !== undefined || ageMs > STALE_AFTER_MS;
    this.#store.markStale(this.#part, isStale);
  }

  /** Serves the saved state when the server does not tell a better one in time. */
  #waitForServer(): void {
    if (this.#saved === undefined) return;
    this.#waiting = setTimeout(() => {
      const isThere = this.source.status.heardMs !== undefined;
      const isOverdue = performance.now() - this.#startMs >= SLOW_MS;
      if (isThere && !isOverdue) this.#waitForServer();
      else this.#restore();
    }, SILENCE_MS);
  }

  #restore(): void {
    clearTimeout(this.#waiting);
    const saved = this.#saved;
    this.#saved = undefined;
    if (saved === undefined || !this.source.restore(saved.objects, saved.savedMs)) return;
    const { name, savedState } = this.#options;
    const savedAt = new Date(saved.savedMs).toISOString();
    this.#log.warn(
      { savedState, savedAt, objects: saved.objects.length },
      `${name} does not answer; the saved state is served, which may be out of date`,
    );
    this.#markStale();
    this.#store.isComplete = true;
  }

  async #synced(): Promise<void> {
    clearTimeout(this.#waiting);
    this.#saved = undefined;
    const { objects } = this.source.status;
    const { name, origin, savedState, replaces } = this.#options;
    this.#log.info({ server: origin, objects }, `${name} was read`);
    this.#markStale();
    this.#store.isComplete = true;
    await replaces?.();
    if (savedState === undefined || this.#isClosed) return;
    // Nothing was read from there, and whoever saved there has done.
    if (replaces !== undefined) this.#trySaved(() => prepareDirectory(savedState));
    this.#saver = new StateSaver(savedState, origin, this.#store, this.#part, {
      onSaved: (saved) => {
        this.#saveFails(undefined);
        this.#log.debug({ savedState, ...saved }, 'state saved');
      },
      onError: (error) => {
        this.#saveFails(error.message);
        this.#log.error({ error: error.message }, 'the state can not be saved; trying again');
      },
    });
  }

  #saveFails(text: string | undefined): void {
    this.#health.reportOne('saved-state-failing', this.#options.savedState ?? '', text);
  }
}
