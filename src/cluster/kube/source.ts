import type { Worker, WorkerOptions } from 'node:worker_threads';
import { DecodeThread } from '../decode-thread/thread.ts';
import { applyInParts } from '../in-parts.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import type { ServerEvents, ServerSource, ServerStatus } from '../server-source.ts';
import { SourceCondition } from '../source-condition.ts';
import type { StorePart } from '../store.ts';
import type { Access } from './access.ts';
import { KubeClient } from './client.ts';
import { CONNECTION_LIMITS, type ConnectionLimits } from './connection.ts';
import { type Changes, REFLECTOR_LIMITS, Reflector, type ReflectorLimits } from './reflector.ts';
import { type Resource, resourcesOf, type Wanted } from './resource.ts';

/** What a KubeSource is made with. */
export interface KubeSourceOptions extends Wanted {
  readonly access: Access;
  readonly userAgent: string;
  readonly limits?: Partial<ConnectionLimits & ReflectorLimits>;
  /** Starts the thread that decodes large lists; see DecodeThread. */
  readonly spawnDecoder?: ((options: WorkerOptions) => Worker) | undefined;
}

/** Keeps a part of a store equal to what an API server has, for as long as it is open. */
export class KubeSource implements ServerSource {
  readonly #client: KubeClient;
  readonly #thread: DecodeThread;
  readonly #closed = new AbortController();
  readonly #part: StorePart;
  readonly #events: ServerEvents;
  readonly #options: KubeSourceOptions;
  readonly #limits: ConnectionLimits & ReflectorLimits;
  readonly #reflectors: Reflector[] = [];
  #isStarted = false;
  /** What was listed while other resources were not; undefined once all is in the store. */
  #staged: Map<string, ClusterObject> | undefined = new Map();
  /** While what is staged is put into the store: what else was staged since, by key. */
  #late: Set<string> | undefined;
  readonly #unlisted = new Set<Resource>();
  /** Of resources that are not to be had, what the part has stays. */
  readonly #absent = new Set<Resource>();
  readonly #unreadable = new Set<string>();
  readonly #condition: SourceCondition;
  #restoredFromMs: number | undefined;

  constructor(part: StorePart, options: KubeSourceOptions, events: ServerEvents) {
    this.#options = options;
    this.#limits = { ...CONNECTION_LIMITS, ...REFLECTOR_LIMITS, ...options.limits };
    this.#client = new KubeClient(options.access, options.userAgent, this.#limits);
    this.#thread = new DecodeThread(options.spawnDecoder);
    this.#part = part;
    this.#events = events;
    this.#condition = new SourceCondition(events);
    for (const resource of resourcesOf(options)) this.#add(resource);
  }

  /** Begins to ask the server. What the part has stays until all of the server's is known. */
  start(): void {
    this.#isStarted = true;
    for (const reflector of this.#reflectors) void reflector.run();
  }

  /**
   * Puts what was known at another time into the store, until the server tells what there is now. Gives
   * whether it was wanted: what is newer is not replaced.
   */
  restore(objects: readonly ClusterObject[], savedMs: number): boolean {
    if (this.isSynced || this.#late !== undefined) return false;
    this.#part.replace(objects);
    this.#restoredFromMs = savedMs;
    this.#condition.staleSinceMs = savedMs;
    return true;
  }

  /** Wants more of the server from now on, or less; what is not wanted is taken out of the store. */
  want(wanted: Partial<Wanted>): void {
    const resources = resourcesOf({ ...this.#options, ...wanted });
    const isSame = (one: Resource) => (other: Resource) =>
      one.path === other.path && one.fieldSelector === other.fieldSelector;
    const unwanted = this.#reflectors.filter(({ resource }) => !resources.some(isSame(resource)));
    for (const reflector of unwanted) this.#drop(reflector);
    for (const resource of resources) {
      if (this.#reflectors.map((each) => each.resource).some(isSame(resource))) continue;
      const reflector = this.#add(resource);
      if (this.#isStarted) void reflector.run();
    }
  }

  /** Has the server change an object. Rejects with KubeError, ConnectError or AccessError. */
  async patch(path: string, patch: object): Promise<void> {
    await this.#client.patch({ path, patch, signal: this.#closed.signal });
  }

  close(): void {
    this.#closed.abort();
    for (const reflector of this.#reflectors) reflector.close();
    this.#thread[Symbol.dispose]();
    this.#client[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get isSynced(): boolean {
    return this.#staged === undefined;
  }

  get status(): ServerStatus {
    const heard = this.#reflectors.flatMap(({ heardMs }) => heardMs ?? []);
    const { staleSinceMs, lastError } = this.#condition;
    return {
      server: this.#client.origin,
      isSynced: this.isSynced,
      isCurrent: staleSinceMs === undefined,
      staleSinceMs,
      restoredFromMs: this.#restoredFromMs,
      heardMs: heard.length === 0 ? undefined : Math.max(...heard),
      lastError,
      objects: this.#part.size,
      resources: this.#reflectors.map(({ resource, state, version, error }) => ({
        path: resource.path,
        state,
        resourceVersion: version,
        error,
      })),
    };
  }

  #add(resource: Resource): Reflector {
    const reflector: Reflector = new Reflector(resource, this.#client, this.#thread, this.#limits, {
      onList: (objects, unreadable) =>
        this.#listed(resource, objects, unreadable, reflector.signal),
      onChange: (changes) => this.#changed(changes),
      onAbsent: () => this.#settled(resource, true),
      onStatus: () => this.#look(),
    });
    this.#reflectors.push(reflector);
    if (this.#staged !== undefined) this.#unlisted.add(resource);
    return reflector;
  }

  #drop(reflector: Reflector): void {
    reflector.close();
    this.#reflectors.splice(this.#reflectors.indexOf(reflector), 1);
    const { resource } = reflector;
    this.#absent.delete(resource);
    if (this.#staged === undefined) this.#part.apply([], this.#unlistedKeys(resource));
    else this.#stage(resource, new Map());
    void this.#settled(resource, false);
  }

  async #listed(
    resource: Resource,
    objects: ReadonlyMap<string, ClusterObject>,
    unreadable: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#staged === undefined) {
      const gone = this.#unlistedKeys(resource, objects, unreadable);
      await applyInParts(this.#part, [...objects.values()], gone, signal);
      return;
    }
    this.#stage(resource, objects);
    for (const key of unreadable) this.#unreadable.add(key);
    await this.#settled(resource, false);
  }

  /** The keys of what the part has of a resource, and a list has not. */
  #unlistedKeys(
    { kind }: Resource,
    objects: ReadonlyMap<string, ClusterObject> = new Map(),
    unreadable: ReadonlySet<string> = new Set(),
  ): string[] {
    const keys: string[] = [];
    for (const object of this.#part.objects()) {
      if (object.kind !== kind) continue;
      const key = objectKey(object);
      if (!objects.has(key) && !unreadable.has(key)) keys.push(key);
    }
    return keys;
  }

  /** Puts all there is of a resource in the place of what was staged of it. */
  #stage({ kind }: Resource, objects: Changes): void {
    const before = [...(this.#staged ?? [])].filter(([, object]) => object.kind === kind);
    this.#stageChanges(new Map(before.map(([key]) => [key, objects.get(key)])));
    this.#stageChanges(objects);
  }

  #stageChanges(changes: Changes): void {
    for (const [key, object] of changes) {
      this.#late?.add(key);
      if (object === undefined) this.#staged?.delete(key);
      else this.#staged?.set(key, object);
    }
  }

  #changed(changes: Changes): void {
    if (this.#staged === undefined) this.#put([...changes]);
    else this.#stageChanges(changes);
  }

  #put(changes: readonly (readonly [string, ClusterObject | undefined])[]): void {
    this.#part.apply(
      changes.flatMap(([, object]) => object ?? []),
      changes.flatMap(([key, object]) => (object === undefined ? [key] : [])),
    );
  }

  /** One resource is known, or known not to be had. After the last of them the store gets all. */
  async #settled(resource: Resource, isAbsent: boolean): Promise<void> {
    if (isAbsent) this.#absent.add(resource);
    else this.#absent.delete(resource);
    this.#unlisted.delete(resource);
    const staged = this.#staged;
    if (staged === undefined || this.#late !== undefined || this.#unlisted.size > 0) return;
    const kept = new Set([...this.#absent].map(({ kind }) => kind));
    const gone: string[] = [];
    for (const object of this.#part.objects()) {
      const key = objectKey(object);
      const stays = kept.has(object.kind) || staged.has(key) || this.#unreadable.has(key);
      if (!stays) gone.push(key);
    }
    const late = new Set<string>();
    this.#late = late;
    await applyInParts(this.#part, [...staged.values()], gone, this.#closed.signal);
    if (this.#closed.signal.aborted) return;
    this.#put([...late].map((key) => [key, staged.get(key)] as const));
    this.#late = undefined;
    this.#staged = undefined;
    this.#restoredFromMs = undefined;
    this.#unreadable.clear();
    this.#events.onSynced();
    this.#look();
  }

  /** Looks how all are doing, and tells what is new about it. */
  #look(): void {
    const isCurrent =
      this.isSynced &&
      this.#reflectors.every(({ state }) => state === 'watching' || state === 'absent');
    const problems = this.#reflectors.flatMap(({ error }) => error ?? []);
    this.#condition.update(isCurrent, problems);
  }
}
