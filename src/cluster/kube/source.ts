import { type ClusterObject, objectKey } from '../objects.ts';
import type { ServerEvents, ServerSource, ServerStatus } from '../server-source.ts';
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
}

/** Keeps a part of a store equal to what an API server has, for as long as it is open. */
export class KubeSource implements ServerSource {
  readonly #client: KubeClient;
  readonly #part: StorePart;
  readonly #events: ServerEvents;
  readonly #options: KubeSourceOptions;
  readonly #limits: ConnectionLimits & ReflectorLimits;
  readonly #reflectors: Reflector[] = [];
  #isStarted = false;
  /** What was listed while other resources were not; undefined once all is in the store. */
  #staged: Map<string, ClusterObject> | undefined = new Map();
  readonly #unlisted = new Set<Resource>();
  /** Of resources that are not to be had, what the part has stays. */
  readonly #absent = new Set<Resource>();
  readonly #unreadable = new Set<string>();
  #reported = new Set<string>();
  #staleSinceMs: number | undefined = Date.now();
  #lastError: string | undefined;
  #restoredFromMs: number | undefined;

  constructor(part: StorePart, options: KubeSourceOptions, events: ServerEvents) {
    this.#options = options;
    this.#limits = { ...CONNECTION_LIMITS, ...REFLECTOR_LIMITS, ...options.limits };
    this.#client = new KubeClient(options.access, options.userAgent, this.#limits);
    this.#part = part;
    this.#events = events;
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
    if (this.isSynced) return false;
    this.#part.replace(objects);
    this.#restoredFromMs = savedMs;
    this.#staleSinceMs = savedMs;
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

  close(): void {
    for (const reflector of this.#reflectors) reflector.close();
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
    return {
      server: this.#client.origin,
      isSynced: this.isSynced,
      isCurrent: this.#staleSinceMs === undefined,
      staleSinceMs: this.#staleSinceMs,
      restoredFromMs: this.#restoredFromMs,
      heardMs: heard.length === 0 ? undefined : Math.max(...heard),
      lastError: this.#lastError,
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
    const reflector = new Reflector(resource, this.#client, this.#limits, {
      onList: (objects, unreadable) => this.#listed(resource, objects, unreadable),
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
    this.#listed(resource, new Map(), new Set());
  }

  #listed(
    resource: Resource,
    objects: ReadonlyMap<string, ClusterObject>,
    unreadable: ReadonlySet<string>,
  ): void {
    const staged = this.#staged;
    if (staged === undefined) {
      const gone: string[] = [];
      for (const object of this.#part.objects()) {
        if (object.kind !== resource.kind) continue;
        const key = objectKey(object);
        if (!objects.has(key) && !unreadable.has(key)) gone.push(key);
      }
      this.#part.apply(objects.values(), gone);
      return;
    }
    for (const [key, { kind }] of staged) if (kind === resource.kind) staged.delete(key);
    for (const [key, object] of objects) staged.set(key, object);
    for (const key of unreadable) this.#unreadable.add(key);
    this.#settled(resource, false);
  }

  #changed(changes: Changes): void {
    if (this.#staged !== undefined) {
      for (const [key, object] of changes) {
        if (object === undefined) this.#staged.delete(key);
        else this.#staged.set(key, object);
      }
      return;
    }
    const put = [...changes.values()].filter((object) => object !== undefined);
    const gone = [...changes].flatMap(([key, object]) => (object === undefined ? [key] : []));
    this.#part.apply(put, gone);
  }

  /** One resource is known, or known not to be had. After the last of them the store gets all. */
  #settled(resource: Resource, isAbsent: boolean): void {
    if (isAbsent) this.#absent.add(resource);
    else this.#absent.delete(resource);
    this.#unlisted.delete(resource);
    const staged = this.#staged;
    if (staged === undefined || this.#unlisted.size > 0) return;
    const kept = new Set([...this.#absent].map(({ kind }) => kind));
    const gone: string[] = [];
    for (const object of this.#part.objects()) {
      const key = objectKey(object);
      const stays = kept.has(object.kind) || staged.has(key) || this.#unreadable.has(key);
      if (!stays) gone.push(key);
    }
    this.#staged = undefined;
    this.#restoredFromMs = undefined;
    this.#unreadable.clear();
    this.#part.apply(staged.values(), gone);
    this.#events.onSynced();
  }

  /** Looks how all are doing, and tells what is new about it. */
  #look(): void {
    const isCurrent =
      this.isSynced &&
      this.#reflectors.every(({ state }) => state === 'watching' || state === 'absent');
    this.#staleSinceMs = isCurrent ? undefined : (this.#staleSinceMs ?? Date.now());
    const before = this.#reported;
    this.#reported = new Set(this.#reflectors.flatMap(({ error }) => error ?? []));
    for (const message of this.#reported) {
      this.#lastError = message;
      if (!before.has(message)) this.#events.onError(message);
    }
    if (before.size > 0 && this.#reported.size === 0) this.#events.onRecovered();
  }
}
