import type { Message } from '../message/message.ts';
import { RCODE, TYPE } from '../wire/constants.ts';

/** What kind of answer is kept: each has its own limits. */
export type CacheKind = 'success' | 'denial' | 'failure';

/** How many answers are kept and how long. */
export interface CacheLimits {
  readonly entriesMax: number;
  readonly ttlMaxSeconds: number;
  readonly ttlMinSeconds: number;
}

export interface AnswerCacheOptions {
  readonly success: CacheLimits;
  readonly denial: CacheLimits;
  /** How long a SERVFAIL or NOTIMP is kept; 0 is not at all. */
  readonly failureSeconds: number;
  /** How long after it expired an answer may still be given; 0 is not at all. */
  readonly staleSeconds: number;
  readonly bytesMax: number;
  readonly onEvict: (kind: CacheKind) => void;
}

/** An answer and when it was stored. */
export interface CachedAnswer {
  readonly key: string;
  readonly kind: CacheKind;
  readonly message: Message;
  readonly storedMs: number;
  /** Until then it is good. */
  readonly untilMs: number;
  readonly sizeBytes: number;
  /** Queries in a row, none of them long after the one before. */
  popularity: number;
  lastAskedMs: number;
  /** When to try again after a refresh failed. */
  retryMs: number;
}

/** Failures are few or something is very wrong. */
const FAILURES_MAX = 1_000;
/** What an answer takes besides its records. */
const ENTRY_BYTES = 400;
const RECORD_BYTES = 150;

/** What kind an answer is, and how long its records say it is good; undefined is not to be kept. */
export function classify(
  message: Message,
): { readonly kind: CacheKind; readonly ttlSeconds: number | undefined } | undefined {
  const { rcode, answers, authorities, question } = message;
  if (message.tc || question.type === 251 || question.type === 252) return undefined;
  if (rcode === RCODE.SERVFAIL || rcode === RCODE.NOTIMP) {
    return { kind: 'failure', ttlSeconds: undefined };
  }
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) return undefined;
  if (hasExpiredSignature(message)) return undefined;
  const all = [...answers, ...authorities, ...message.additionals];
  const lowest = Math.min(...all.map(({ ttl }) => ttl));
  if (rcode === RCODE.NOERROR && answers.length > 0) return { kind: 'success', ttlSeconds: lowest };
  // RFC 2308 section 5: without an SOA nobody knows how long it is good.
  const soa = authorities.find(({ type }) => type === TYPE.SOA);
  if (soa === undefined) return undefined;
  const { rdata } = soa;
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
  const minimum = rdata.length >= 4 ? view.getUint32(rdata.length - 4) : 0;
  return { kind: 'denial', ttlSeconds: Math.min(lowest, minimum) };
}

const TYPE_RRSIG = 46;

/** RFC 4034 section 3.1.5: times are seconds since 1970, in arithmetic of serial numbers. */
function hasExpiredSignature({ answers, authorities }: Message): boolean {
  const now = Math.floor(Date.now() / 1000);
  return [...answers, ...authorities].some(({ type, rdata }) => {
    if (type !== TYPE_RRSIG || rdata.length < 18) return false;
    const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
    return ((view.getUint32(8) - now) | 0) < 0;
  });
}

/**
 * Answers by question, DO and CD, bounded in number and bytes. What was used longest ago makes room:
 * a Map keeps its keys in the order they were set.
 */
export class AnswerCache {
  readonly #options: AnswerCacheOptions;
  readonly #entries: Readonly<Record<CacheKind, Map<string, CachedAnswer>>> = {
    success: new Map(),
    denial: new Map(),
    failure: new Map(),
  };
  #bytes = 0;

  constructor(options: AnswerCacheOptions) {
    this.#options = options;
  }

  /**
   * Keeps an answer and gives it as kept: its TTLs are not above the limit, and it is good for as long
   * as its records say, within the limits. Undefined when such an answer is not kept.
   */
  put(key: string, message: Message, nowMs: number): CachedAnswer | undefined {
    const found = classify(message);
    if (found === undefined) return undefined;
    const { kind } = found;
    const seconds = this.#lifetime(kind, found.ttlSeconds);
    const limit = this.#limit(kind);
    if (seconds <= 0 || limit <= 0) return undefined;
    const entry: CachedAnswer = {
      key,
      kind,
      message,
      storedMs: nowMs,
      untilMs: nowMs + seconds * 1000,
      sizeBytes: sizeOf(message),
      popularity: 0,
      lastAskedMs: nowMs,
      retryMs: 0,
    };
    // A failure says nothing of what is known; everything else replaces it.
    const replaced: readonly CacheKind[] =
      kind === 'failure' ? ['failure'] : ['success', 'denial', 'failure'];
    for (const other of replaced) this.#delete(other, key);
    this.#entries[kind].set(key, entry);
    this.#bytes += entry.sizeBytes;
    while (this.#entries[kind].size > limit) this.#evictOldest(kind);
    this.#shrink(entry);
    return entry;
  }

  /**
   * What is known: a good answer, else a failure that is good still. Undefined when there is none;
   * `stale` may then have one that expired not long ago.
   */
  get(key: string, nowMs: number): CachedAnswer | undefined {
    for (const kind of ['success', 'denial', 'failure'] as const) {
      const entry = this.#entries[kind].get(key);
      if (entry === undefined || nowMs < entry.storedMs) continue;
      if (nowMs < entry.untilMs) return this.#used(entry);
      if (nowMs >= entry.untilMs + this.#options.staleSeconds * 1000) this.#delete(kind, key);
    }
    return undefined;
  }

  /** An answer that expired and may still be given. */
  stale(key: string, nowMs: number): CachedAnswer | undefined {
    for (const kind of ['success', 'denial'] as const) {
      const entry = this.#entries[kind].get(key);
      if (entry !== undefined && nowMs < entry.untilMs + this.#options.staleSeconds * 1000) {
        return this.#used(entry);
      }
    }
    return undefined;
  }

  /** What is kept, expired or not, without counting as a use. */
  peek(key: string): CachedAnswer | undefined {
    const { success, denial, failure } = this.#entries;
    return success.get(key) ?? denial.get(key) ?? failure.get(key);
  }

  /** How many answers there are of a kind. */
  size(kind: CacheKind): number {
    return this.#entries[kind].size;
  }

  /** About how much memory the answers take. */
  get bytes(): number {
    return this.#bytes;
  }

  #used(entry: CachedAnswer): CachedAnswer {
    const entries = this.#entries[entry.kind];
    entries.delete(entry.key);
    entries.set(entry.key, entry);
    return entry;
  }

  #lifetime(kind: CacheKind, ttlSeconds: number | undefined): number {
    if (kind === 'failure') return this.#options.failureSeconds;
    const { ttlMinSeconds, ttlMaxSeconds } = this.#options[kind];
    return Math.min(Math.max(ttlSeconds ?? 0, ttlMinSeconds), ttlMaxSeconds);
  }

  #limit(kind: CacheKind): number {
    return kind === 'failure' ? FAILURES_MAX : this.#options[kind].entriesMax;
  }

  #delete(kind: CacheKind, key: string): void {
    const entry = this.#entries[kind].get(key);
    if (entry === undefined) return;
    this.#entries[kind].delete(key);
    this.#bytes -= entry.sizeBytes;
  }

  #evictOldest(kind: CacheKind): void {
    const [oldest] = this.#entries[kind].keys();
    if (oldest === undefined) return;
    this.#delete(kind, oldest);
    this.#options.onEvict(kind);
  }

  /** Throws out until the bytes fit, never what was just put. */
  #shrink(latest: CachedAnswer): void {
    for (const kind of ['failure', 'denial', 'success'] as const) {
      const keep = kind === latest.kind ? 1 : 0;
      while (this.#bytes > this.#options.bytesMax && this.#entries[kind].size > keep) {
        this.#evictOldest(kind);
      }
    }
  }
}

function sizeOf(message: Message): number {
  let bytes = ENTRY_BYTES + message.question.name.length;
  for (const section of [message.answers, message.authorities, message.additionals]) {
    for (const { name, rdata } of section) bytes += RECORD_BYTES + name.length + rdata.length;
  }
  return bytes;
}
