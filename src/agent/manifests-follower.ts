import { ManifestSource } from '../cluster/manifests/source.ts';
import { type ClusterObject, objectKey } from '../cluster/objects.ts';
import type { Store, StorePart } from '../cluster/store.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

/** A change of what is followed that waits to be put in force. */
export interface Prepared {
  commit(): void;
  discard(): void;
}

/** Keeps a part of a store equal to a directory of manifests, which another one may take the place of. */
export class ManifestsFollower implements Disposable {
  readonly #store: Store;
  readonly #part: StorePart;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #health: HealthRegistry;
  #source: DisposableStack | undefined;

  constructor(store: Store, log: Logger, metrics: AgentMetrics, health: HealthRegistry) {
    this.#store = store;
    this.#part = store.part();
    this.#log = log;
    this.#metrics = metrics;
    this.#health = health;
  }

  /**
   * Reads a directory, undefined for none, whose objects become all there are of manifests in `commit`, as
   * one change. Throws PodwireError when it can't be read at all.
   */
  prepare(directory: string | undefined): Prepared {
    if (directory === undefined) {
      const commit = (): void => this.#replace(undefined, []);
      return { commit, discard() {} };
    }
    const target = new HeldTarget(this.#part);
    const opened = new DisposableStack();
    const source: ManifestSource = opened.use(
      new ManifestSource(directory, target, {
        onError: (error) => {
          this.#metrics.manifestErrors(source.errors.length);
          const text = 'manifest refused; the last good state stays in force';
          this.#log.error({ error: error.message }, text);
        },
        onRecovered: () => {
          this.#metrics.manifestErrors(0);
          this.#log.info('manifests are well again');
        },
      }),
    );
    source.start();
    return {
      commit: () => {
        const errors = () => new Map(source.errors.map((error) => [error, error]));
        opened.use(this.#health.probe('objects-refused', errors));
        this.#replace(opened, target.release());
        this.#metrics.manifestErrors(source.errors.length);
        this.#log.info({ objects: this.#store.size, manifests: directory }, 'manifests read');
      },
      discard: () => opened.dispose(),
    };
  }

  [Symbol.dispose](): void {
    this.#source?.dispose();
  }

  #replace(source: DisposableStack | undefined, objects: readonly ClusterObject[]): void {
    this.#source?.dispose();
    this.#source = source;
    this.#part.replace(objects);
  }
}

/** Keeps what a source says to itself until it is released. */
class HeldTarget implements Pick<StorePart, 'apply'> {
  readonly #part: StorePart;
  #held: Map<string, ClusterObject> | undefined = new Map();

  constructor(part: StorePart) {
    this.#part = part;
  }

  apply(put: Iterable<ClusterObject>, remove: Iterable<string>): boolean {
    if (this.#held === undefined) return this.#part.apply(put, remove);
    for (const key of remove) this.#held.delete(key);
    for (const object of put) this.#held.set(objectKey(object), object);
    return false;
  }

  /** All there is now; from now on the part is told. */
  release(): readonly ClusterObject[] {
    const objects = [...(this.#held?.values() ?? [])];
    this.#held = undefined;
    return objects;
  }
}
