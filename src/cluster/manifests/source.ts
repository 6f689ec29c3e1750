import type { ClusterObject } from '../objects.ts';
import type { StorePart } from '../store.ts';
import { ManifestDirectory } from './directory.ts';
import { DirectoryWatch } from './directory-watch.ts';
import type { ManifestError } from './parse.ts';

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
  #watch: DirectoryWatch | undefined;
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
    this.#watch = new DirectoryWatch(this.#directory.path, () => this.#look());
  }

  close(): void {
    this.#watch?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Gives whether the directory is there. */
  #look(): boolean {
    try {
      this.#apply();
      return true;
    } catch (error) {
      this.#report([error instanceof Error ? error : new Error(String(error))]);
      return false;
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
