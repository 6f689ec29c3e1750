import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../connect/backoff.ts';
import { FieldError } from '../decode.ts';
import { applyInParts } from '../in-parts.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import type { FollowState, ServerEvents, ServerSource, ServerStatus } from '../server-source.ts';
import { SourceCondition } from '../source-condition.ts';
import type { StorePart } from '../store.ts';
import { UnreadableObjects } from '../unreadable.ts';
import type { EtcdAccess } from './access.ts';
import { CODE, EtcdError } from './call.ts';
import { EtcdClient } from './client.ts';
import { readEntry } from './entry.ts';
import { EtcdKeys } from './keys.ts';
import { list, type Position, positionOf } from './list.ts';
import { ETCD_LIMITS, type EtcdLimits } from './member.ts';
import { CompactedError, type KeyChange, type WatchLimits, watch } from './watch.ts';

/** How many objects a page of a list has at first; kube-apiserver's own. */
const PAGE_OBJECTS = 500;
/** etcd answers at once. */
const PROGRESS_MS = 30_000;
const SILENCE_MS = 90_000;

/** What an EtcdSource is made with. */
export interface EtcdSourceOptions {
  readonly access: EtcdAccess;
  /** What keys begin with, such as `/podwire`. */
  readonly prefix: string;
  readonly userAgent: string;
  readonly limits?: Partial<SourceLimits>;
}

/** How much is asked for, and how long is waited; tests ask for less. */
interface SourceLimits extends EtcdLimits, WatchLimits {
  readonly pageObjects: number;
}

const SOURCE_LIMITS: SourceLimits = {
  ...ETCD_LIMITS,
  pageObjects: PAGE_OBJECTS,
  progressMs: PROGRESS_MS,
  silenceMs: SILENCE_MS,
};

/** Keeps a part of a store equal to the objects in etcd, for as long as it is open. */
export class EtcdSource implements ServerSource {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #part: StorePart;
  readonly #events: ServerEvents;
  readonly #limits: SourceLimits;
  readonly #condition: SourceCondition;
  readonly #unreadable = new UnreadableObjects(() => this.#look());
  readonly #ended = new AbortController();
  #state: FollowState = 'starting';
  #failure: string | undefined;
  /** How far we have heard; undefined when all has to be read again. */
  #position: Position | undefined;
  #isSynced = false;
  /** All was read, and is being put into the store. */
  #isListed = false;
  #heardMs: number | undefined;
  #restoredFromMs: number | undefined;

  constructor(part: StorePart, options: EtcdSourceOptions, events: ServerEvents) {
    this.#limits = { ...SOURCE_LIMITS, ...options.limits };
    this.#client = new EtcdClient(options.access, options.userAgent, this.#limits);
    this.#keys = new EtcdKeys(options.prefix);
    this.#part = part;
    this.#events = events;
    this.#condition = new SourceCondition(events);
  }

  start(): void {
    void this.#run();
  }

  restore(objects: readonly ClusterObject[], savedMs: number): boolean {
    if (this.#isListed) return false;
    this.#part.replace(objects);
    this.#restoredFromMs = savedMs;
    this.#condition.staleSinceMs = savedMs;
    return true;
  }

  get status(): ServerStatus {
    const { staleSinceMs, lastError } = this.#condition;
    return {
      server: this.#client.origin,
      isSynced: this.#isSynced,
      isCurrent: staleSinceMs === undefined,
      staleSinceMs,
      restoredFromMs: this.#restoredFromMs,
      heardMs: this.#heardMs,
      lastError,
      objects: this.#part.size,
      resources: [
        {
          path: this.#keys.root,
          state: this.#state,
          resourceVersion: this.#position?.revision.toString(),
          error: this.#failure ?? this.#unreadable.first,
        },
      ],
    };
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#client[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    const backoff = new Backoff();
    while (!signal.aborted) {
      const start = performance.now();
      try {
        await this.#follow(signal);
        // etcd ends no watch by itself: it is going away.
        this.#become('waiting');
      } catch (error) {
        if (signal.aborted) return;
        this.#fail(error);
      }
      const waitMs = backoff.next(performance.now() - start);
      await pause(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  #fail(error: unknown): void {
    const isCompacted =
      error instanceof CompactedError ||
      (error instanceof EtcdError && error.status === CODE.OUT_OF_RANGE);
    if (isCompacted) {
      this.#position = undefined;
      this.#become('waiting');
    } else {
      this.#become('waiting', error instanceof Error ? error.message : String(error));
    }
  }

  #become(state: FollowState, failure?: string): void {
    this.#state = state;
    // What is wrong stays so until etcd is heard again.
    if (failure !== undefined || state === 'watching') this.#failure = failure;
    this.#look();
  }

  #look(): void {
    const { first } = this.#unreadable;
    const isCurrent = this.#isSynced && this.#state === 'watching';
    const problems = [this.#failure, first].filter((each) => each !== undefined);
    this.#condition.update(isCurrent, problems);
  }

  /** From wherever we are to the end of one watch. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { root } = this.#keys;
    if (this.#position !== undefined) {
      const now = await positionOf(this.#client, root, signal);
      const { clusterId, revision } = this.#position;
      // It was restored from a copy: a watch from what it takes for the future would be silent.
      if (now.clusterId !== clusterId || now.revision < revision) this.#position = undefined;
    }
    this.#position ??= await this.#list(signal);
    const { clusterId } = this.#position;
    await watch(
      this.#client,
      root,
      this.#position.revision,
      {
        onHeard: () => this.#heard(),
        onWatching: () => this.#become('watching'),
        onChanges: (changes, revision) => {
          this.#position = { clusterId, revision };
          this.#changed(changes);
        },
      },
      this.#limits,
      signal,
    );
  }

  #heard(): void {
    this.#heardMs = Date.now();
  }

  async #list(signal: AbortSignal): Promise<Position> {
    this.#become('listing');
    const objects = new Map<string, ClusterObject>();
    const unreadable = new Set<string>();
    let position: Position | undefined;
    const { pageObjects } = this.#limits;
    for await (const page of list(this.#client, this.#keys.root, pageObjects, signal)) {
      this.#heard();
      position = page.position;
      for (const { key, value } of page.entries) {
        const object = this.#read(key, value);
        if (object === undefined) unreadable.add(key);
        else objects.set(objectKey(object), object);
      }
    }
    if (position === undefined) throw new EtcdError(`${this.#client.origin}: a list without pages`);
    this.#unreadable.keep(unreadable);
    const kept = new Set(Array.from(unreadable, (key) => this.#keys.objectKeyOf(key)));
    const gone: string[] = [];
    for (const object of this.#part.objects()) {
      const key = objectKey(object);
      if (!objects.has(key) && !kept.has(key)) gone.push(key);
    }
    this.#isListed = true;
    await applyInParts(this.#part, [...objects.values()], gone, signal);
    signal.throwIfAborted();
    const isFirst = !this.#isSynced;
    this.#isSynced = true;
    this.#restoredFromMs = undefined;
    if (isFirst) this.#events.onSynced();
    return position;
  }

  /** Gives undefined for an object that can't be read, and remembers why. */
  #read(key: string, value: Uint8Array): ClusterObject | undefined {
    try {
      const object = readEntry(this.#keys, key, value);
      this.#unreadable.delete(key);
      return object;
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.#unreadable.add(key, `${key}: ${error.message}`);
      return undefined;
    }
  }

  #changed(changes: readonly KeyChange[]): void {
    const put = new Map<string, ClusterObject>();
    const gone = new Set<string>();
    for (const { key, value } of changes) {
      const place = this.#keys.objectKeyOf(key);
      if (value !== undefined) {
        const object = this.#read(key, value);
        if (object === undefined || place === undefined) continue;
        put.set(place, object);
        gone.delete(place);
      } else {
        this.#unreadable.delete(key);
        if (place === undefined) continue;
        put.delete(place);
        gone.add(place);
      }
    }
    if (put.size > 0 || gone.size > 0) this.#part.apply(put.values(), gone);
  }
}
