import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../connect/backoff.ts';
import { EtcdError } from './call.ts';
import type { EtcdClient } from './client.ts';
import { LEASE_GRANT, LEASE_KEEP_ALIVE } from './messages.ts';

/** What is under a lease goes away so long after its holder fell silent. */
const TTL_SECONDS = 30;
/** How often in that time the holder speaks. */
const BEATS = 3;

/** What a holder does with its lease. */
export interface LeaseEvents {
  /** There is a lease. What it rejects with is reported, and tried again with another lease. */
  onGranted(lease: bigint, signal: AbortSignal): Promise<void>;
  /** The lease lives on. What it rejects with counts as above. */
  onKept(lease: bigint, signal: AbortSignal): Promise<void>;
  /** Something is wrong; called once for each new message. */
  onError(message: string): void;
  /** What was wrong is well again. */
  onRecovered(): void;
}

/**
 * Holds a lease for as long as it is open, and gets another one when it is lost. It is not given back at the
 * end: what is under it stays for the rest of its time, and is there for whoever starts in our place.
 */
export class LeaseHolder implements Disposable {
  readonly #client: EtcdClient;
  readonly #events: LeaseEvents;
  readonly #ttlSeconds: number;
  readonly #ended = new AbortController();
  #problem: string | undefined;

  constructor(client: EtcdClient, events: LeaseEvents, ttlSeconds = TTL_SECONDS) {
    this.#client = client;
    this.#events = events;
    this.#ttlSeconds = ttlSeconds;
  }

  start(): void {
    void this.#run();
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    const backoff = new Backoff((this.#ttlSeconds * 1000) / BEATS);
    let lease: bigint | undefined;
    while (!signal.aborted) {
      const start = performance.now();
      try {
        lease ??= await this.#grant(signal);
        await this.#keep(lease, signal);
        // It is lost; another is asked for after a moment.
        lease = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.#fail(error instanceof Error ? error.message : String(error));
      }
      const waitMs = backoff.next(performance.now() - start);
      await pause(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  async #grant(signal: AbortSignal): Promise<bigint> {
    const request = { ttlSeconds: BigInt(this.#ttlSeconds) };
    const { id } = await this.#client.call(LEASE_GRANT, request, signal);
    await this.#events.onGranted(id, signal);
    return id;
  }

  /** Keeps a lease alive until it is lost. Rejects when that can't be told. */
  async #keep(lease: bigint, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const onAbort = () => ended.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    using opened = new DisposableStack();
    opened.defer(() => signal.removeEventListener('abort', onAbort));
    const ttlMs = this.#ttlSeconds * 1000;
    try {
      using conversation = await this.#client.open(LEASE_KEEP_ALIVE, ended.signal);
      const beat = () => conversation.send({ id: lease });
      beat();
      const beating = setInterval(beat, ttlMs / BEATS);
      opened.defer(() => clearInterval(beating));
      const silence = setTimeout(() => {
        ended.abort(
          new EtcdError(`${this.#client.origin}: no word of the lease for ${ttlMs / 1000} s`),
        );
      }, ttlMs);
      opened.defer(() => clearTimeout(silence));
      for await (const { ttlSeconds } of conversation.responses()) {
        if (ttlSeconds === 0n) return;
        silence.refresh();
        await this.#events.onKept(lease, ended.signal);
        this.#recover();
      }
      throw new EtcdError(`${this.#client.origin}: the lease is not kept alive any more`);
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error;
    }
  }

  #fail(message: string): void {
    if (message !== this.#problem) this.#events.onError(message);
    this.#problem = message;
  }

  #recover(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#events.onRecovered();
  }
}
