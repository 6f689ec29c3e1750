import { aged, withQuestion, withTtl, withTtlMax } from '../../cache/aged.ts';
import { AnswerCache, type CachedAnswer } from '../../cache/answer-cache.ts';
import type { SharedKey } from '../../cache/shared-cache.ts';
import { encodeMessage } from '../../message/encode.ts';
import type { Message } from '../../message/message.ts';
import { zoneOf } from '../../message/name.ts';
import { EDNS_OPTION } from '../../message/numbers.ts';
import { RCODE, rcodeName } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import {
  type Environment,
  type Next,
  type Plugin,
  type Query,
  type Reply,
  serverLabels,
} from '../plugin.ts';
import { EXTENDED_ERROR, withExtendedError } from '../reply.ts';
import { type CacheConfig, parseCache, type StaleConfig } from './config.ts';

/** Of one cache; answers are seldom larger than some hundred bytes. */
const BYTES_MAX = 64 << 20;
/** Refreshes under way for answers that were given already. */
const REFRESHES_MAX = 1_000;
const SECOND_MS = 1_000;

/** `cache`: keeps what upstreams answered. */
export const cache = definePlugin<CacheConfig>({
  name: 'cache',
  parse: parseCache,
  says: ({ success, denial, failureSeconds, stale, prefetch }) => [
    `keeps up to ${success.entriesMax} answers for at most ${success.ttlMaxSeconds} s, ${denial.entriesMax} denials for ${denial.ttlMaxSeconds} s, failures for ${failureSeconds} s`,
    'keeps none of the cluster’s own names: they are answered as the cluster is at the moment',
    ...(stale === undefined
      ? []
      : [`gives answers for ${stale.forMs / 1000} s after they expired (${stale.mode})`]),
    ...(prefetch === undefined
      ? []
      : [`asks again for what was asked ${prefetch.amount} times before it expires`]),
  ],
  create: (config, environment) => new Cache(config, environment),
});

class Cache implements Plugin {
  readonly name = 'cache';
  readonly #config: CacheConfig;
  readonly #environment: Environment;
  readonly #answers: AnswerCache;
  readonly #zones: string;
  /** The server whose query an answer is kept for, while it is. */
  #keptFor = '';
  readonly #refreshing = new Set<string>();

  constructor(config: CacheConfig, environment: Environment) {
    this.#config = config;
    this.#environment = environment;
    this.#zones = config.zones.join(',');
    this.#answers = new AnswerCache({
      success: config.success,
      denial: config.denial,
      failureSeconds: config.failureSeconds,
      staleSeconds: (config.stale?.forMs ?? 0) / 1000,
      bytesMax: BYTES_MAX,
      onEvict: (kind) => {
        const type = kind === 'success' ? 'success' : 'denial';
        const labels = { ...this.#labels({ server: this.#keptFor }), type };
        environment.metrics.count('coredns_cache_evictions_total', labels);
      },
    });
  }

  knows(query: Query): readonly string[] {
    if (zoneOf(query.name, this.#config.zones) === undefined) return ['keeps nothing of the zone'];
    const nowMs = this.#environment.now();
    const key = keyOf(query);
    const entry = this.#answers.peek(key);
    if (entry === undefined) return ['has no answer'];
    const seconds = Math.round((entry.untilMs - nowMs) / SECOND_MS);
    const { rcode, answers } = entry.message;
    const what = `${rcodeName(rcode)} with ${answers.length} records`;
    return [
      seconds > 0
        ? `has ${what}, good for ${seconds} s more`
        : `has ${what}, which expired ${-seconds} s ago`,
    ];
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    const { request } = query;
    // An answer for one subnet is no answer for another (RFC 7871 section 7.3).
    const hasSubnet = request.edns?.options.some(({ code }) => code === EDNS_OPTION.CLIENT_SUBNET);
    if (hasSubnet === true || zoneOf(query.name, this.#config.zones) === undefined) {
      return await next(query);
    }
    const { metrics } = this.#environment;
    const key = keyOf(query);
    const nowMs = this.#environment.now();
    metrics.count('coredns_cache_requests_total', this.#labels(query));
    const stale = this.#config.stale === undefined ? undefined : this.#answers.stale(key, nowMs);
    const entry = this.#answers.get(key, nowMs);
    // What was known is more than that nobody knows it now.
    if (entry !== undefined && !(entry.kind === 'failure' && stale !== undefined)) {
      this.#hit(entry, query);
      if (this.#isDueForPrefetch(entry, query, nowMs) && this.#refresh(key, query, next)) {
        metrics.count('coredns_cache_prefetch_total', this.#labels(query));
      }
      return this.#given(entry, query, nowMs);
    }
    if (stale !== undefined && this.#config.stale !== undefined) {
      return await this.#stale(stale, this.#config.stale, query, next);
    }
    metrics.count('coredns_cache_misses_total', this.#labels(query));
    return await this.#fetch(key, query, next);
  }

  #labels(query: Pick<Query, 'server'>): Readonly<Record<string, string>> {
    return { ...serverLabels(query), zones: this.#zones };
  }

  #hit(entry: CachedAnswer, query: Query): void {
    const type = entry.kind === 'success' ? 'success' : 'denial';
    this.#environment.metrics.count('coredns_cache_hits_total', { ...this.#labels(query), type });
  }

  /** Asks the plugins that come after, and keeps what they say. */
  async #fetch(key: string, query: Query, next: Next): Promise<Reply | undefined> {
    const reply = await next(query);
    if (reply === undefined || reply.isLive === true) return reply;
    const { message } = reply;
    const { question } = query.request;
    // RD is not part of the key: without it upstreams answer less than they know.
    if (!query.request.rd) return reply;
    const canonical = withQuestion(message, { ...question, name: query.name });
    if (message.question.type !== question.type || message.question.class !== question.class) {
      this.#environment.metrics.count('coredns_cache_drops_total', this.#labels(query));
      return reply;
    }
    const entry = this.#keep(key, canonical, query);
    if (entry === undefined) return reply;
    const limited = withTtlMax(message, this.#ttlMax(entry));
    return { ...reply, message: limited };
  }

  #keep(key: string, message: Message, query: Query): CachedAnswer | undefined {
    const { metrics, shared, now, rotates } = this.#environment;
    const kind =
      message.rcode === RCODE.NOERROR && message.answers.length > 0 ? 'success' : 'denial';
    if (zoneOf(query.name, this.#config.disabled[kind]) !== undefined) return undefined;
    const nowMs = now();
    this.#keptFor = query.server;
    const entry = this.#answers.put(key, message, nowMs);
    const labels = this.#labels(query);
    for (const type of ['success', 'denial'] as const) {
      metrics.set('coredns_cache_entries', { ...labels, type }, this.#answers.size(type));
    }
    if (entry === undefined || entry.kind === 'failure' || shared === undefined) return entry;
    // From when it is to be fetched again on, queries must come here.
    const percent = this.#config.prefetch?.percent ?? 0;
    const keptMs = entry.untilMs - nowMs;
    const wire = encodeMessage({ ...withTtlMax(message, this.#ttlMax(entry)), edns: undefined });
    shared.put(sharedKey(query), wire, {
      nowMs,
      untilMs: nowMs + keptMs * (1 - percent / 100),
      keepsTtl: this.#config.keepsTtl,
      rotates,
    });
    return entry;
  }

  #ttlMax(entry: CachedAnswer): number {
    const { success, denial } = this.#config;
    return (entry.kind === 'success' ? success : denial).ttlMaxSeconds;
  }

  /** A kept answer as it goes to the asker. */
  #given(entry: CachedAnswer, query: Query, nowMs: number): Reply {
    const age = this.#config.keepsTtl ? 0 : Math.floor((nowMs - entry.storedMs) / SECOND_MS);
    const limited = withTtlMax(entry.message, this.#ttlMax(entry));
    const message = withQuestion(aged(limited, age), query.request.question);
    const isFailure = entry.kind === 'failure';
    return {
      message: isFailure ? withExtendedError(message, EXTENDED_ERROR.CACHED_ERROR) : message,
      by: this.name,
    };
  }

  /** Whether it has been asked for often enough, and is about to expire. */
  #isDueForPrefetch(entry: CachedAnswer, query: Query, nowMs: number): boolean {
    const { prefetch } = this.#config;
    const byThreads = this.#environment.shared?.takeHits(sharedKey(query)) ?? 0;
    const gapMs = prefetch?.gapMs ?? 0;
    entry.popularity = nowMs - entry.lastAskedMs > gapMs ? 1 : entry.popularity + 1;
    entry.popularity += byThreads;
    entry.lastAskedMs = nowMs;
    if (prefetch === undefined || entry.popularity < prefetch.amount) return false;
    const leftMs = entry.untilMs - nowMs;
    const windowMs = ((entry.untilMs - entry.storedMs) * prefetch.percent) / 100;
    return leftMs <= Math.max(windowMs, SECOND_MS);
  }

  /** Fetches anew in the background, once at a time; false when that is under way already. */
  #refresh(key: string, query: Query, next: Next): boolean {
    if (this.#refreshing.has(key) || this.#refreshing.size >= REFRESHES_MAX) return false;
    this.#refreshing.add(key);
    this.#fetch(key, query, next)
      .catch((error: unknown) => {
        this.#environment.log.debug({ query: query.name, error: String(error) }, 'refresh failed');
      })
      .finally(() => this.#refreshing.delete(key));
    return true;
  }

  async #stale(
    entry: CachedAnswer,
    config: StaleConfig,
    query: Query,
    next: Next,
  ): Promise<Reply | undefined> {
    const { metrics, now } = this.#environment;
    const mayTry = now() >= entry.retryMs && !this.#refreshing.has(entry.key);
    if (mayTry && config.mode === 'verify') {
      const fresh = await this.#verify(entry, config, query, next);
      if (fresh !== undefined) return fresh;
    } else if (mayTry) {
      entry.retryMs = now() + config.recheckMs;
      this.#refresh(entry.key, query, next);
    }
    metrics.count('coredns_cache_served_stale_total', this.#labels(query));
    this.#hit(entry, query);
    const message = withQuestion(withTtl(entry.message, config.ttlSeconds), query.request.question);
    const code =
      message.rcode === RCODE.NXDOMAIN
        ? EXTENDED_ERROR.STALE_NXDOMAIN_ANSWER
        : EXTENDED_ERROR.STALE_ANSWER;
    return { message: withExtendedError(message, code), by: this.name };
  }

  /** A new answer, when there is one in time that is no failure. */
  async #verify(
    entry: CachedAnswer,
    config: StaleConfig,
    query: Query,
    next: Next,
  ): Promise<Reply | undefined> {
    this.#refreshing.add(entry.key);
    const fetched = this.#fetch(entry.key, query, next).finally(() =>
      this.#refreshing.delete(entry.key),
    );
    const late = Promise.withResolvers<undefined>();
    const timer =
      config.verifyTimeoutMs > 0
        ? setTimeout(() => late.resolve(undefined), config.verifyTimeoutMs)
        : undefined;
    try {
      const reply = await Promise.race([fetched.catch(() => undefined), late.promise]);
      const isGood = reply !== undefined && reply.message.rcode !== RCODE.SERVFAIL;
      if (isGood) return reply;
      entry.retryMs = this.#environment.now() + config.recheckMs;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

function keyOf({ name, request }: Query): string {
  const { question, edns, cd } = request;
  return `${name} ${question.type} ${question.class} ${edns?.dnssecOk === true ? 1 : 0}${cd ? 1 : 0}`;
}

function sharedKey({ name, request }: Query): SharedKey {
  const { question, edns, cd } = request;
  return {
    name,
    type: question.type,
    class: question.class,
    dnssecOk: edns?.dnssecOk ?? false,
    checkingDisabled: cd,
  };
}
