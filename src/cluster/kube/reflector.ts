import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../connect/backoff.ts';
import type { DecodeThread } from '../decode-thread/thread.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { ClusterObject } from '../objects.ts';
import type { FollowState } from '../server-source.ts';
import { UnreadableObjects } from '../unreadable.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './connection.ts';
import { type Heard, type HeardTexts, hear } from './heard.ts';
import { ListSplitter } from './list-splitter.ts';
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
/** What comes of a list after so much is decoded by another thread: it is a large one. */
const LIST_BYTES_HERE = 1 << 20;

const HTTP = { UNAUTHORIZED: 401, FORBIDDEN: 403, NOT_FOUND: 404, GONE: 410, BUSY: 429, AWAY: 503 };
/** Of these answers to a streamed list none says that the server cannot stream. */
const NOT_ABOUT_STREAMING: readonly (number | undefined)[] = [undefined, ...Object.values(HTTP)];

/** Objects by key, and undefined for what is gone. */
export type Changes = ReadonlyMap<string, ClusterObject | undefined>;

/** What a reflector tells its owner. */
export interface ReflectorEvents {
  /**
   * All there is. Of the `unreadable` keys there are objects, which can't be read. No change is told of
   * before it resolves.
   */
  onList(
    objects: ReadonlyMap<string, ClusterObject>,
    unreadable: ReadonlySet<string>,
  ): Promise<void>;
  /** What became different since. */
  onChange(changes: Changes): void;
  /** An optional resource is not to be had. */
  onAbsent(): Promise<void>;
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

/** Follows one resource of an API server until it is closed. */
export class Reflector {
  readonly resource: Resource;
  readonly #client: KubeClient;
  readonly #thread: DecodeThread;
  readonly #limits: ReflectorLimits;
  readonly #events: ReflectorEvents;
  readonly #ended = new AbortController();
  readonly #unreadable: UnreadableObjects;
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
    thread: DecodeThread,
    limits: ReflectorLimits,
    events: ReflectorEvents,
  ) {
    this.resource = resource;
    this.#client = client;
    this.#thread = thread;
    this.#limits = limits;
    this.#events = events;
    this.#unreadable = new UnreadableObjects(() => events.onStatus());
  }

  /** Aborted when it was closed. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  get state(): FollowState {
    return this.#state;
  }

  /** What went wrong last and is not well again; else of an object that can't be read. */
  get error(): string | undefined {
    return this.#failure ?? this.#unreadable.first;
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
        const isAbsent = await this.#fail(error);
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
  async #fail(error: unknown): Promise<boolean> {
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
      await this.#events.onAbsent();
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
    const { version } = await this.#page({ limit: '1' }, new Listing());
    if (isOlder(version, ours)) this.#version = undefined;
    this.#isUnsure = false;
  }

  async #listPages(): Promise<void> {
    const listing = new Listing();
    let cursor = '';
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const parameters = {
        limit: String(this.#limits.pageObjects),
        ...(cursor === '' ? {} : { continue: cursor }),
      };
      const { version, next } = await this.#page(parameters, listing);
      cursor = next;
      if (cursor === '') return this.#listed(listing, version);
    }
    throw new KubeError(`${this.#client.origin}: a list of more than ${PAGES_MAX} pages`);
  }

  /** Takes in one page. Gives the list's version and where the next page begins. */
  async #page(
    parameters: Readonly<Record<string, string>>,
    listing: Listing,
  ): Promise<{ version: string; next: string }> {
    const splitter = new ListSplitter();
    for await (const chunk of await this.#get(parameters, LIST_IDLE_MS)) {
      this.#heardMs = Date.now();
      const texts = [...splitter.push(chunk)];
      for (const heard of await this.#read('items', texts, listing)) this.#collect(heard, listing);
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
        const lines = [...splitter.push(chunk)];
        await this.#hear(await this.#read('events', lines, listing), listing);
      }
    } catch (error) {
      const status = error instanceof KubeError ? error.status : undefined;
      if (!listing?.isOpen || NOT_ABOUT_STREAMING.includes(status)) throw error;
      return false;
    }
    return !listing?.isOpen;
  }

  /** What texts say. Of a large list others read them, so that this thread has time for others. */
  async #read(
    of: HeardTexts['of'],
    texts: readonly string[],
    listing: Listing | undefined,
  ): Promise<readonly Heard[]> {
    if (texts.length === 0) return [];
    const { kind, apiVersion } = this.resource;
    const input: HeardTexts = { of, resource: { kind, apiVersion }, texts };
    if (listing?.isOpen !== true) return hear(input);
    for (const text of texts) listing.bytes += text.length;
    if (listing.bytes <= LIST_BYTES_HERE) return hear(input);
    const heard = await this.#thread.work({ name: 'hear', input });
    this.#ended.signal.throwIfAborted();
    return heard;
  }

  /** Takes in what a chunk of a watch said, as one change. */
  async #hear(all: Iterable<Heard>, listing: Listing | undefined): Promise<void> {
    const changes = new Map<string, ClusterObject | undefined>();
    let version = this.#version;
    try {
      for (const heard of all) {
        if (heard.what === 'error') throw this.#errorOf(heard);
        version = heard.version ?? version;
        if (heard.what === 'bookmark') {
          if (!listing?.isOpen || !heard.isEnd) continue;
          listing.isOpen = false;
          await this.#listed(listing, version ?? '');
          this.#become('watching');
        } else if (listing?.isOpen) {
          this.#collect(heard, listing);
        } else if (heard.what === 'unreadable') {
          this.#unreadable.add(heard.key, heard.problem);
        } else {
          this.#unreadable.delete(heard.key);
          changes.set(heard.key, heard.what === 'put' ? heard.object : undefined);
        }
      }
    } finally {
      if (changes.size > 0) this.#events.onChange(changes);
      if (!listing?.isOpen) this.#version = version;
    }
  }

  async #listed({ objects, unreadable }: Listing, version: string): Promise<void> {
    this.#unreadable.keep(unreadable);
    await this.#events.onList(objects, unreadable);
    this.#ended.signal.throwIfAborted();
    // The watch that gave them goes on for minutes, and would hold them.
    objects.clear();
    this.#version = version;
    this.#isUnsure = false;
  }

  /** Takes in what a list says. */
  #collect(heard: Heard, { objects, unreadable }: Listing): void {
    switch (heard.what) {
      case 'put':
        this.#unreadable.delete(heard.key);
        objects.set(heard.key, heard.object);
        break;
      case 'unreadable':
        this.#unreadable.add(heard.key, heard.problem);
        unreadable.add(heard.key);
        break;
      case 'gone':
        this.#unreadable.delete(heard.key);
        unreadable.delete(heard.key);
        objects.delete(heard.key);
        break;
      case 'bookmark':
        break;
      case 'error':
        throw this.#errorOf(heard);
    }
    if (objects.size > OBJECTS_MAX) {
      throw new KubeError(`${this.#client.origin}: more than ${OBJECTS_MAX} objects of one kind`);
    }
  }

  #errorOf({ problem, status }: { problem: string; status?: number }): KubeError {
    return new KubeError(`${this.#client.origin}: ${problem}`, status);
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

/** What a list has come to. */
class Listing {
  readonly objects = new Map<string, ClusterObject>();
  readonly unreadable = new Set<string>();
  /** Bytes that were read, as far as characters tell. */
  bytes = 0;
  isOpen = true;
}

/** Whether one resource version is before another. They are counts (KEP-5504). */
function isOlder(version: string, other: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(other)) return false;
  return BigInt(version) < BigInt(other);
}
