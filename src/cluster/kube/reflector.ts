import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../connect/backoff.ts';
import { decodeObject, FieldError } from '../decode.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { ClusterObject } from '../objects.ts';
import type { FollowState } from '../server-source.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './connection.ts';
import { ListSplitter } from './list-splitter.ts';
import { prune } from './prune.ts';
import type { Resource } from './resource.ts';

/** How many objects a page has; client-go's. */
const PAGE_OBJECTS = 500;
/** A cluster has no more of one kind; more is a server gone wrong. */
const OBJECTS_MAX = 1_000_000;
const PAGES_MAX = 100_000;
/** How long a watch is asked to last, at least; at most twice that, so that they do not end together. */
const WATCH_SECONDS_MIN = 300;
/** A server sends a bookmark about every minute. */
const WATCH_IDLE_MS = 180_000;
const LIST_IDLE_MS = 30_000;
/** A watch that ends sooner is not one. */
const WATCH_MS_MIN = 1_000;
/**
 * What the server lacks or refuses is asked for again, in the end after so long. A server that starts
 * refuses everything until it has read its roles, so the first waits are short.
 */
const ABSENT_RETRY_MS = 300_000;
/** Objects that can't be read are counted up to here. */
const UNREADABLE_MAX = 1_000;

/** Marks the bookmark after which a streamed list is complete (KEP-3157). */
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

const HTTP = { UNAUTHORIZED: 401, FORBIDDEN: 403, NOT_FOUND: 404, GONE: 410, BUSY: 429, AWAY: 503 };
/** Of these answers to a streamed list none says that the server cannot stream. */
const NOT_ABOUT_STREAMING: readonly (number | undefined)[] = [undefined, ...Object.values(HTTP)];

/** Objects by key, and undefined for what is gone. */
export type Changes = ReadonlyMap<string, ClusterObject | undefined>;

/** What a reflector tells its owner. */
export interface ReflectorEvents {
  /** All there is. Of the `unreadable` keys there are objects, which can't be read. */
  onList(objects: ReadonlyMap<string, ClusterObject>, unreadable: ReadonlySet<string>): void;
  /** What became different since. */
  onChange(changes: Changes): void;
  /** An optional resource is not to be had. */
  onAbsent(): void;
  /** The state, or what is wrong, is another one. */
  onStatus(): void;
}

/** How much is asked for; tests ask for less. */
export interface ReflectorLimits {
  readonly pageObjects: number;
  readonly watchSecondsMin: number;
  readonly watchIdleMs: number;
}

export const REFLECTOR_LIMITS: ReflectorLimits = {
  pageObjects: PAGE_OBJECTS,
  watchSecondsMin: WATCH_SECONDS_MIN,
  watchIdleMs: WATCH_IDLE_MS,
};

/** The parts of a raw object that are read whatever else is wrong with it. */
interface RawObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** Follows one resource of an API server until it is closed. */
export class Reflector {
  readonly resource: Resource;
  readonly #client: KubeClient;
  readonly #limits: ReflectorLimits;
  readonly #events: ReflectorEvents;
  readonly #ended = new AbortController();
  /** By key, what is wrong with objects that can't be read. */
  readonly #unreadable = new Map<string, string>();
  /** How far we have heard; undefined when all has to be read again. */
  #version: string | undefined;
  /** The server may be another than the one that gave us the version. */
  #isUnsure = false;
  #state: FollowState = 'starting';
  #failure: string | undefined;
  #heardMs: number | undefined;

  constructor(
    resource: Resource,
    client: KubeClient,
    limits: ReflectorLimits,
    events: ReflectorEvents,
  ) {
    this.resource = resource;
    this.#client = client;
    this.#limits = limits;
    this.#events = events;
  }

  get state(): FollowState {
    return this.#state;
  }

  /** What went wrong last and is not well again; else of an object that can't be read. */
  get error(): string | undefined {
    const [unreadable] = this.#unreadable.values();
    return this.#failure ?? unreadable;
  }

  /** When the server was last heard on this resource (Date.now). */
  get heardMs(): number | undefined {
    return this.#heardMs;
  }

  /** The resource version that was reached. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Resolves when it was closed. */
  async run(): Promise<void> {
    const { signal } = this.#ended;
    const backoff = new Backoff();
    const absence = new Backoff(ABSENT_RETRY_MS);
    let wasAway = false;
    while (!signal.aborted) {
      const start = performance.now();
      let waitMs = 0;
      try {
        await this.#follow();
        const lastedMs = performance.now() - start;
        // It ended before its time: the server is going away, and another may take its place.
        if (lastedMs < this.#limits.watchSecondsMin * 1000) this.#isUnsure = true;
        if (lastedMs < WATCH_MS_MIN) waitMs = backoff.next(0);
      } catch (error) {
        if (signal.aborted) return;
        const isAbsent = this.#fail(error);
        const isAway = !(error instanceof KubeError) || error.status === undefined;
        // A server that is back refuses for a moment, and is soon asked again.
        if (wasAway && !isAway) backoff.reset();
        wasAway = isAway;
        const waits = isAbsent ? absence : backoff;
        const asked = error instanceof KubeError ? error.retryAfterMs : 0;
        waitMs = waits.next(performance.now() - start, asked);
      }
      await pause(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  close(): void {
    this.#ended.abort();
  }

  /** Takes note of a failure. Gives whether it says that the resource is not to be had. */
  #fail(error: unknown): boolean {
    const status = error instanceof KubeError ? error.status : undefined;
    const message = error instanceof Error ? error.message : String(error);
    const isRefused = status === HTTP.NOT_FOUND || status === HTTP.FORBIDDEN;
    const isAbsent = this.resource.isOptional && isRefused;
    this.#isUnsure = true;
    if (status === HTTP.GONE) {
      this.#version = undefined;
      this.#become('waiting');
    } else if (isAbsent) {
      this.#version = undefined;
      // That an old server has no such resource is nothing to report.
      this.#become('absent', status === HTTP.NOT_FOUND ? undefined : message);
      this.#events.onAbsent();
    } else {
      this.#become('waiting', message);
    }
    return isAbsent;
  }

  #become(state: FollowState, failure?: string): void {
    this.#state = state;
    // What is wrong stays so until the server is heard again.
    if (failure !== undefined || state === 'watching' || state === 'absent')
      this.#failure = failure;
    this.#events.onStatus();
  }

  /** From wherever we are to the end of one watch. */
  async #follow(): Promise<void> {
    if (this.#version !== undefined && this.#isUnsure) await this.#compareVersions(this.#version);
    if (this.#version === undefined) {
      this.#become('listing');
      if (await this.#watch(undefined)) return;
      await this.#listPages();
    }
    await this.#watch(this.#version);
  }

  /**
   * Forgets our version when the server's data is older: it was restored from a copy, and a watch from
   * what it takes for the future would say nothing until it gets there.
   */
  async #compareVersions(ours: string): Promise<void> {
    const { version } = await this.#page({ limit: '1' }, () => {});
    if (isOlder(version, ours)) this.#version = undefined;
    this.#isUnsure = false;
  }

  async #listPages(): Promise<void> {
    const objects = new Map<string, ClusterObject>();
    const unreadable = new Set<string>();
    let cursor = '';
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const parameters = {
        limit: String(this.#limits.pageObjects),
        ...(cursor === '' ? {} : { continue: cursor }),
      };
      const { version, next } = await this.#page(parameters, (text) => {
        this.#collect(JSON.parse(text), objects, unreadable);
      });
      cursor = next;
      if (cursor !== '') continue;
      this.#listed(objects, unreadable, version);
      return;
    }
    throw new KubeError(`${this.#client.origin}: a list of more than ${PAGES_MAX} pages`);
  }

  /** One page: calls `onItem` with the text of each item. Gives the list's version and the next page. */
  async #page(
    parameters: Readonly<Record<string, string>>,
    onItem: (text: string) => void,
  ): Promise<{ version: string; next: string }> {
    const splitter = new ListSplitter();
    for await (const chunk of await this.#get(parameters, LIST_IDLE_MS)) {
      this.#heardMs = Date.now();
      for (const item of splitter.push(chunk)) onItem(item);
    }
    const head = splitter.end() as {
      metadata?: { resourceVersion?: string; continue?: string };
    };
    const version = head.metadata?.resourceVersion ?? '';
    if (version === '') throw new KubeError(`${this.#client.origin}: a list without a version`);
    return { version, next: head.metadata?.continue ?? '' };
  }

  /**
   * Hears of changes since `version`, or of all there is and then of changes. Gives false when the
   * server can't stream what there is.
   */
  async #watch(version: string | undefined): Promise<boolean> {
    const seconds = Math.round(this.#limits.watchSecondsMin * (1 + Math.random()));
    const parameters = {
      watch: '1',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
      ...(version === undefined
        ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: version }),
    };
    const listing = version === undefined ? new Listing() : undefined;
    const splitter = new LineSplitter();
    try {
      const body = await this.#get(parameters, this.#limits.watchIdleMs);
      if (listing === undefined) this.#become('watching');
      for await (const chunk of body) {
        this.#heardMs = Date.now();
        this.#hear(splitter.push(chunk), listing);
      }
    } catch (error) {
      const status = error instanceof KubeError ? error.status : undefined;
      if (!listing?.isOpen || NOT_ABOUT_STREAMING.includes(status)) throw error;
      return false;
    }
    return !listing?.isOpen;
  }

  /** Takes in the events of a chunk, as one change. */
  #hear(lines: Iterable<string>, listing: Listing | undefined): void {
    const changes = new Map<string, ClusterObject | undefined>();
    let version = this.#version;
    try {
      for (const line of lines) {
        const { type, object } = parseEvent(line);
        if (type === 'ERROR') throw statusError(this.#client.origin, object);
        const { resourceVersion, annotations } = object.metadata;
        version = resourceVersion ?? version;
        if (type === 'BOOKMARK') {
          if (!listing?.isOpen || annotations?.[INITIAL_EVENTS_END] !== 'true') continue;
          listing.isOpen = false;
          this.#listed(listing.objects, listing.unreadable, version ?? '');
          this.#become('watching');
        } else if (listing?.isOpen) {
          if (type !== 'DELETED') this.#collect(object, listing.objects, listing.unreadable);
          else listing.objects.delete(this.#keyOf(object));
        } else {
          const key = this.#keyOf(object);
          if (type === 'DELETED') this.#readable(key);
          const value = type === 'DELETED' ? undefined : this.#decode(object, key);
          if (value !== undefined || type === 'DELETED') changes.set(key, value);
        }
      }
    } finally {
      if (changes.size > 0) this.#events.onChange(changes);
      if (!listing?.isOpen) this.#version = version;
    }
  }

  #listed(
    objects: ReadonlyMap<string, ClusterObject>,
    unreadable: ReadonlySet<string>,
    version: string,
  ): void {
    for (const key of this.#unreadable.keys()) {
      if (!unreadable.has(key)) this.#readable(key);
    }
    this.#version = version;
    this.#isUnsure = false;
    this.#events.onList(objects, unreadable);
  }

  #collect(raw: RawObject, objects: Map<string, ClusterObject>, unreadable: Set<string>): void {
    const key = this.#keyOf(raw);
    const object = this.#decode(raw, key);
    if (object === undefined) unreadable.add(key);
    else objects.set(key, object);
    if (objects.size > OBJECTS_MAX) {
      throw new KubeError(`${this.#client.origin}: more than ${OBJECTS_MAX} objects of one kind`);
    }
  }

  /** Gives undefined for an object that can't be read, and remembers why. */
  #decode(raw: RawObject, key: string): ClusterObject | undefined {
    const { apiVersion, kind } = this.resource;
    // Items of a list do not say what they are.
    raw.apiVersion ??= apiVersion;
    raw.kind ??= kind;
    try {
      const object = decodeObject(raw);
      this.#readable(key);
      return object === undefined ? undefined : prune(object);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      if (this.#unreadable.size < UNREADABLE_MAX) {
        this.#unreadable.set(key, `${key}: ${error.message}`);
        this.#events.onStatus();
      }
      return undefined;
    }
  }

  /** An object that could not be read can be now, or is gone. */
  #readable(key: string): void {
    if (this.#unreadable.delete(key)) this.#events.onStatus();
  }

  #keyOf({ metadata: { namespace, name } }: RawObject): string {
    return `${this.resource.kind}/${namespace ?? ''}/${name}`;
  }

  async #get(
    parameters: Readonly<Record<string, string>>,
    idleMs: number,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { path, fieldSelector } = this.resource;
    return this.#client.get({
      path,
      parameters: { ...parameters, ...(fieldSelector === undefined ? {} : { fieldSelector }) },
      signal: this.#ended.signal,
      idleMs,
    });
  }
}

/** What a streamed list has come to. */
class Listing {
  readonly objects = new Map<string, ClusterObject>();
  readonly unreadable = new Set<string>();
  isOpen = true;
}

interface WatchEvent {
  readonly type: string;
  readonly object: RawObject;
}

function parseEvent(line: string): WatchEvent {
  const event = JSON.parse(line) as Partial<WatchEvent> | null;
  if (typeof event?.type === 'string' && typeof event.object?.metadata === 'object') {
    return event as WatchEvent;
  }
  throw new KubeError('a watch gave something that is not an event');
}

/** The error a Status in a stream stands for. */
function statusError(origin: string, object: unknown): KubeError {
  const { code, message } = object as { code?: number; message?: string };
  return new KubeError(`${origin}: ${message ?? 'an error without a message'}`, code);
}

/** Whether one resource version is before another. They are counts (KEP-5504). */
function isOlder(version: string, other: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(other)) return false;
  return BigInt(version) < BigInt(other);
}
