import { ManifestSource } from '../cluster/manifests/source.ts';
import { type ClusterObject, objectKey } from '../cluster/objects.ts';
import type { Store, StorePart } from '../cluster/store.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';
import { manifestsStatus } from './status/report.ts';
import type { SourceStatus } from './status/status.ts';

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
  #opened: DisposableStack | undefined;
  /** Of one that is not followed yet, or not any more, nothing is told. */
  #followed: ManifestSource | undefined;
  #status: (() => SourceStatus) | undefined;

  constructor(store: Store, log: Logger, metrics: AgentMetrics, health: HealthRegistry) {
    this.#store = store;
    this.#part = store.part();
    this.#log = log;
    this.#metrics = metrics;
    this.#health = health;
  }

  /** Reads the first directory, before anybody follows the store. Throws PodwireError when it can't. */
  start(directory: string): void {
    const { opened, source } = this.#open(directory, this.#part);
    this.#follow(directory, opened, source);
  }

  /**
   * Reads another directory, undefined for none, whose objects become all there are of manifests in
   * `commit`, as one change. Throws PodwireError when it can't be read at all.
   */
  prepare(directory: string | undefined): Prepared {
    const release = (objects: readonly ClusterObject[]): void => {
      this.#opened?.dispose();
      this.#opened = undefined;
      this.#followed = undefined;
      this.#status = undefined;
      this.#metrics.manifestErrors(0);
      this.#part.replace(objects);
    };
    if (directory === undefined) return { commit: () => release([]), discard() {} };
    const target = new HeldTarget(this.#part);
    const { opened, source } = this.#open(directory, target);
    return {
      commit: () => {
        release(target.release());
        this.#follow(directory, opened, source);
      },
      discard: () => opened.dispose(),
    };
  }

  /** How it is doing; undefined while there is none. */
  get status(): SourceStatus | undefined {
    return this.#status?.();
  }

  [Symbol.dispose](): void {
    this.#opened?.dispose();
  }

  #open(
    directory: string,
    target: Pick<StorePart, 'apply'>,
  ): { readonly opened: DisposableStack; readonly source: ManifestSource } {
    const source: ManifestSource = new ManifestSource(directory, target, {
      onError: ({ message }) => {
        if (this.#followed === source) this.#refused(source, [message]);
      },
      onRecovered: () => {
        if (this.#followed !== source) return;
        this.#metrics.manifestErrors(0);
        this.#log.info('manifests are well again');
      },
    });
    const opened = new DisposableStack();
    opened.use(source);
    source.start();
    return { opened, source };
  }

  #follow(directory: string, opened: DisposableStack, source: ManifestSource): void {
    this.#opened = opened;
    this.#status = () => manifestsStatus(directory, this.#part.size, source.errors);
    const errors = () => new Map(source.errors.map((error) => [error, error]));
    opened.use(this.#health.probe('objects-refused', errors));
    this.#followed = source;
    this.#refused(source, source.errors);
    this.#log.info({ objects: this.#store.size, manifests: directory }, 'manifests read');
  }

  #refused(source: ManifestSource, errors: readonly string[]): void {
    this.#metrics.manifestErrors(source.errors.length);
    const text = 'manifest refused; the last good state stays in force';
    for (const error of errors) this.#log.error({ error }, text);
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
