import { type FSWatcher, watch } from 'node:fs';
import type { ClusterObject } from '../objects.ts';
import type { StorePart } from '../store.ts';
import { ManifestDirectory } from './directory.ts';
import type { ManifestError } from './parse.ts';

/** Several events come for one save; they are waited out. */
const SETTLE_MS = 20;
/** A look without an event, for file systems that send none. */
const RESCAN_MS = 5_000;

/** What a ManifestSource tells its owner. */
export interface ManifestEvents {
  /** A file or the directory became unusable; called once for each new message. */
  onError(error: Error): void;
  /** What was reported before is well again. */
  onRecovered(): void;
}

/** What a directory's objects are put into. */
type Target = Pick<StorePart, 'apply'>;

/** Keeps a store, or a part of one, equal to a directory of manifests, for as long as it is open. */
export class ManifestSource implements Disposable {
  readonly #directory: ManifestDirectory;
  readonly #store: Target;
  readonly #events: ManifestEvents;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #rescan: NodeJS.Timeout | undefined;
  #reported = new Set<string>();

  constructor(path: string, store: Target, events: ManifestEvents) {
    this.#directory = new ManifestDirectory(path);
    this.#store = store;
    this.#events = events;
  }

  /** The messages of what is wrong now. */
  get errors(): readonly string[] {
    return [...this.#reported];
  }

  /** Reads the directory for the first time. Throws when it can't be read at all. */
  start(): void {
    // File by file, so that the next can be read where the last one was: nobody follows yet.
    const { errors } = this.#directory.scan((objects) => this.#store.apply(objects, []));
    this.#report(errors);
    this.#watch();
    this.#rescan = setInterval(() => this.#look(), RESCAN_MS);
  }

  close(): void {
    this.#watcher?.close();
    clearTimeout(this.#settling);
    clearInterval(this.#rescan);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #watch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    try {
      this.#watcher = watch(this.#directory.path, () => {
        clearTimeout(this.#settling);
        this.#settling = setTimeout(() => this.#look(), SETTLE_MS);
      });
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      // Without events the regular look finds changes, and tries to watch again.
    }
  }

  #look(): void {
    try {
      this.#apply();
      if (this.#watcher === undefined) this.#watch();
    } catch (error) {
      this.#report([error instanceof Error ? error : new Error(String(error))]);
      this.#watcher?.close();
      this.#watcher = undefined;
    }
  }

  #apply(): void {
    const changed: ClusterObject[] = [];
    const { deleted, errors } = this.#directory.scan((objects) => {
      for (const object of objects) changed.push(object);
    });
    this.#report(errors);
    this.#store.apply(changed, deleted);
  }

  #report(errors: readonly (ManifestError | Error)[]): void {
    const before = this.#reported;
    this.#reported = new Set(errors.map((error) => error.message));
    for (const error of errors) {
      if (!before.has(error.message)) this.#events.onError(error);
    }
    if (before.size > 0 && errors.length === 0) this.#events.onRecovered();
  }
}
