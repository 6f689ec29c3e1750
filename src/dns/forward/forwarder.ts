import type { Message } from '../message/message.ts';
import { ForwardError } from './error.ts';
import { Order, type Policy } from './policy.ts';
import { type UpstreamQuery, upstreamQuery } from './query.ts';
import { Upstream, type UpstreamOptions } from './upstream.ts';
import type { UpstreamAddress } from './upstream-address.ts';

/** All tries for one query together; a client waits no longer either. */
const BUDGET_MS = 5_000;
/** Queries under way at once, also where the configuration names no number. */
const CONCURRENT_MAX = 20_000;
/** How long a failure to reach anybody is remembered (RFC 9520 section 3.2: at least a second). */
const FAILURE_MS = 1_000;
const FAILURES_MAX = 1_000;
const TRIES_MAX = 32;

/** How queries are forwarded. */
export interface ForwarderOptions {
  readonly upstreams: readonly UpstreamAddress[];
  readonly policy: Policy;
  /** One try at one upstream. */
  readonly readTimeoutMs: number;
  /** 0 is no limit of its own. */
  readonly concurrentMax: number;
  /** Tries for one query; 0 is no limit but time. */
  readonly triesMax: number;
  /** Answers with these codes are tried elsewhere as well. */
  readonly failoverRcodes: ReadonlySet<number>;
  readonly failsFastWhenDown: boolean;
  readonly upstream: Omit<UpstreamOptions, 'onConnection' | 'onHealthFailure'>;
  readonly events: ForwardEvents;
}

/** What happens while forwarding, to be counted. */
export interface ForwardEvents {
  onAnswer(upstream: string, rcode: number, seconds: number): void;
  onConnection(upstream: string, isReused: boolean): void;
  onHealthFailure(upstream: string): void;
  onAllDown(): void;
  onRefused(): void;
  onCoalesced(): void;
}

/** An upstream's answer and whose it is. */
export interface Forwarded {
  readonly message: Message;
  readonly upstream: string;
}

/** Forwards queries to upstreams; the same query under way twice is sent once. */
export class Forwarder {
  readonly upstreams: readonly Upstream[];
  readonly #options: ForwarderOptions;
  readonly #order: Order;
  readonly #underWay = new Map<string, Promise<Forwarded>>();
  readonly #failures = new Map<string, { readonly until: number; readonly error: ForwardError }>();
  #concurrent = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#order = new Order(options.policy);
    const { events } = options;
    this.upstreams = options.upstreams.map((address) => {
      const upstream: Upstream = new Upstream(address, {
        ...options.upstream,
        onConnection: (isReused) => events.onConnection(upstream.name, isReused),
        onHealthFailure: () => events.onHealthFailure(upstream.name),
      });
      return upstream;
    });
  }

  /**
   * The answer of an upstream to a client's query. Rejects with ForwardError: `overload` when too many
   * are under way, else when nobody answered in time.
   */
  async forward(request: Message): Promise<Forwarded> {
    const { concurrentMax, events } = this.#options;
    const limit = concurrentMax > 0 ? Math.min(concurrentMax, CONCURRENT_MAX) : CONCURRENT_MAX;
    if (this.#concurrent >= limit) {
      events.onRefused();
      throw new ForwardError('overload', `${limit} queries are under way`);
    }
    const query = upstreamQuery(request);
    const failure = this.#failures.get(query.key);
    if (failure !== undefined && failure.until > performance.now()) throw failure.error;
    this.#concurrent += 1;
    try {
      const underWay = this.#underWay.get(query.key);
      if (underWay !== undefined) {
        events.onCoalesced();
        return await underWay;
      }
      const started = this.#try(query);
      this.#underWay.set(query.key, started);
      try {
        return await started;
      } finally {
        this.#underWay.delete(query.key);
      }
    } finally {
      this.#concurrent -= 1;
    }
  }

  /** Closes connections and stops probing. */
  close(): void {
    for (const upstream of this.upstreams) upstream.close();
  }

  async #try(query: UpstreamQuery): Promise<Forwarded> {
    const deadline = performance.now() + BUDGET_MS;
    const { events, failoverRcodes, readTimeoutMs } = this.#options;
    let last: Forwarded | undefined;
    let error = new ForwardError('timeout', 'no upstream answered');
    for (const upstream of this.#candidates()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      const start = performance.now();
      try {
        const message = await upstream.ask(query.message, Math.min(leftMs, readTimeoutMs));
        events.onAnswer(upstream.name, message.rcode, (performance.now() - start) / 1000);
        last = { message, upstream: upstream.name };
        if (!failoverRcodes.has(message.rcode)) return last;
      } catch (caught) {
        if (!(caught instanceof ForwardError)) throw caught;
        error = caught;
        if (error.problem === 'overload') break;
      }
    }
    if (last !== undefined) return last;
    this.#remember(query.key, error);
    throw error;
  }

  /** Upstreams in the order they are tried: those that are well, each twice. */
  #candidates(): Upstream[] {
    const { events, failsFastWhenDown, triesMax, failoverRcodes } = this.#options;
    const all = this.#order.of(this.upstreams);
    let well = all.filter((upstream) => !upstream.isDown);
    if (well.length === 0) {
      events.onAllDown();
      if (failsFastWhenDown) throw new ForwardError('down', 'all upstreams are down');
      // Watching may be what fails: somebody is asked all the same.
      well = all;
    }
    const rounds = failoverRcodes.size > 0 ? well : [...well, ...well];
    return rounds.slice(0, triesMax === 0 ? TRIES_MAX : Math.min(triesMax, TRIES_MAX));
  }

  #remember(key: string, error: ForwardError): void {
    if (error.problem === 'overload') return;
    if (this.#failures.size >= FAILURES_MAX) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.delete(key);
    this.#failures.set(key, { until: performance.now() + FAILURE_MS, error });
  }
}
