import type { Message } from '../message/message.ts';
import { RCODE } from '../wire/constants.ts';
import { ForwardError } from './error.ts';
import { queryMessage } from './query.ts';
import { type StreamOptions, StreamPool } from './stream.ts';
import { askUdp } from './udp.ts';
import { formatUpstream, type UpstreamAddress } from './upstream-address.ts';

/** An upstream that does not know EDNS is asked without for so long. */
const PLAIN_MS = 600_000;
const PROBE_TIMEOUT_MS = 1_000;
const TYPE_NS = 2;

/** How an upstream is watched. */
export interface HealthOptions {
  /** Between two probes of an upstream in doubt. */
  readonly intervalMs: number;
  /** So many probes must fail before it counts as down; 0 is never. */
  readonly failsMax: number;
  readonly recursionDesired: boolean;
  /** The name whose NS records are asked for. */
  readonly domain: string;
}

/** What an upstream is asked with. */
export interface UpstreamOptions extends StreamOptions {
  readonly forceTcp: boolean;
  readonly health: HealthOptions;
  readonly onHealthFailure: () => void;
}

/**
 * One upstream and what is known of it. Nobody probes an upstream that answers; after an error it
 * is probed until it answers again.
 */
export class Upstream {
  readonly address: UpstreamAddress;
  readonly name: string;
  readonly #options: UpstreamOptions;
  readonly #streams: StreamPool;
  #fails = 0;
  #probe: NodeJS.Timeout | undefined;
  #isProbing = false;
  #isClosed = false;
  #plainUntil = 0;

  constructor(address: UpstreamAddress, options: UpstreamOptions) {
    this.address = address;
    this.name = formatUpstream(address);
    this.#options = options;
    this.#streams = new StreamPool(address, options);
  }

  /** Whether so many probes failed that others are asked instead. */
  get isDown(): boolean {
    const { failsMax } = this.#options.health;
    return failsMax > 0 && this.#fails >= failsMax;
  }

  /**
   * Asks, by UDP first unless told otherwise and by TCP when the answer is truncated. An answer is any
   * message that answers the question, a SERVFAIL too. Rejects with ForwardError, and begins to probe.
   */
  async ask(query: Message, timeoutMs: number): Promise<Message> {
    const deadline = performance.now() + timeoutMs;
    try {
      const isPlain = performance.now() < this.#plainUntil;
      const reply = await this.#exchange(isPlain ? plain(query) : query, timeoutMs);
      if (isPlain || reply.edns !== undefined || !isEdnsRefused(reply)) return reply;
      // RFC 6891 section 7: it may not know EDNS.
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return reply;
      const second = await this.#exchange(plain(query), leftMs);
      if (second.rcode !== reply.rcode) this.#plainUntil = performance.now() + PLAIN_MS;
      return second;
    } catch (error) {
      if (error instanceof ForwardError && error.problem !== 'overload') this.#doubt();
      throw error;
    }
  }

  /** Stops probing and closes connections. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#probe);
    this.#streams.close();
  }

  async #exchange(query: Message, timeoutMs: number): Promise<Message> {
    const deadline = performance.now() + timeoutMs;
    if (this.address.transport === 'tls' || this.#options.forceTcp) {
      return await this.#streams.ask(query, timeoutMs);
    }
    const reply = await askUdp(this.address, query, timeoutMs, this.#options.source);
    const leftMs = deadline - performance.now();
    if (!reply.tc || leftMs <= 0) return reply;
    try {
      return await this.#streams.ask(query, leftMs);
    } catch {
      // A part of the answer, marked as one, is more than none.
      return reply;
    }
  }

  #doubt(): void {
    if (this.#isProbing || this.#isClosed || this.#options.health.failsMax === 0) return;
    this.#isProbing = true;
    void this.#probeOnce();
  }

  async #probeOnce(): Promise<void> {
    const { health, onHealthFailure } = this.#options;
    const question = { name: health.domain, type: TYPE_NS, class: 1 };
    const query = queryMessage(question, health.recursionDesired, false, undefined);
    try {
      const reply = await this.#exchange(query, PROBE_TIMEOUT_MS);
      // Any answer shows that somebody is there, but this one also that it can't do its work.
      if (reply.rcode === RCODE.SERVFAIL) throw new ForwardError('protocol', 'SERVFAIL to a probe');
      this.#fails = 0;
      this.#isProbing = false;
    } catch {
      this.#fails += 1;
      onHealthFailure();
      if (this.#isClosed) return;
      this.#probe = setTimeout(() => void this.#probeOnce(), health.intervalMs);
      this.#probe.unref();
    }
  }
}

function isEdnsRefused(reply: Message): boolean {
  return reply.rcode === RCODE.FORMERR || reply.rcode === RCODE.NOTIMP;
}

function plain(query: Message): Message {
  return { ...query, edns: undefined };
}
