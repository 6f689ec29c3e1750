import { withQuestion } from '../../cache/aged.ts';
import { ForwardError } from '../../forward/error.ts';
import { Forwarder } from '../../forward/forwarder.ts';
import { formatUpstream } from '../../forward/upstream-address.ts';
import { zoneOf } from '../../message/name.ts';
import { RCODE, rcodeName } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Environment, Next, Plugin, Query, Reply } from '../plugin.ts';
import { answer, answerClass, EXTENDED_ERROR } from '../reply.ts';
import { type ForwardConfig, parseForwards } from './config.ts';

const PROXY = { proxy_name: 'forward' };

/** `forward`: asks upstreams. */
export const forward = definePlugin<readonly ForwardConfig[]>({
  name: 'forward',
  repeats: true,
  parse: parseForwards,
  says: (configs) =>
    configs.map(({ from, upstreams, policy, files }) => {
      const to = upstreams.map(
        (each) => `${each.transport === 'tls' ? 'tls://' : ''}${formatUpstream(each)}`,
      );
      const source = files.length > 0 ? ` (from ${files.join(' ')})` : '';
      return `asks ${to.join(' ')}${source} for names below ${from.join(' ')}, ${policy}`;
    }),
  files: (configs) => configs.flatMap(({ files }) => files),
  create: (configs, environment) => new Forwards(configs, environment),
});

class Forwards implements Plugin {
  readonly name = 'forward';
  readonly #all: readonly { readonly config: ForwardConfig; readonly forwarder: Forwarder }[];

  constructor(configs: readonly ForwardConfig[], environment: Environment) {
    this.#all = configs.map((config) => ({ config, forwarder: open(config, environment) }));
  }

  stop(): void {
    for (const { forwarder } of this.#all) forwarder.close();
  }

  knows(query: Query): readonly string[] {
    const found = this.#all.find(
      ({ config }) =>
        zoneOf(query.name, config.from) !== undefined &&
        zoneOf(query.name, config.except) === undefined,
    );
    return (found?.forwarder.upstreams ?? []).map(
      ({ name, isDown }) => `${name} ${isDown ? 'is down, and is probed' : 'is up'}`,
    );
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    let last: Reply | undefined;
    for (const { config, forwarder } of this.#all) {
      if (zoneOf(query.name, config.from) === undefined) continue;
      if (zoneOf(query.name, config.except) !== undefined) continue;
      last = await this.#ask(forwarder, query);
      const { message } = last;
      const isNodata = message.rcode === RCODE.NOERROR && answerClass(message) === 'denial';
      const goesOn = config.nextRcodes.has(message.rcode) || (config.nextOnNodata && isNodata);
      if (!goesOn) return last;
    }
    return last ?? (await next(query));
  }

  async #ask(forwarder: Forwarder, query: Query): Promise<Reply> {
    try {
      const { message } = await forwarder.forward(query.request);
      // The answer is ours now: authority is for those who have the zone.
      const own = withQuestion(message, query.request.question);
      return { message: { ...own, aa: false, ra: true, edns: undefined }, by: this.name };
    } catch (error) {
      if (!(error instanceof ForwardError)) throw error;
      if (error.problem === 'overload') {
        return { ...answer(query, this.name, RCODE.REFUSED), isLive: true, problem: error.message };
      }
      const reply = answer(query, this.name, RCODE.SERVFAIL, {
        extendedError:
          error.problem === 'network'
            ? EXTENDED_ERROR.NETWORK_ERROR
            : EXTENDED_ERROR.NO_REACHABLE_AUTHORITY,
      });
      return { ...reply, problem: error.message };
    }
  }
}

function open(config: ForwardConfig, { metrics }: Environment): Forwarder {
  const { health, failsMax, expireMs } = config;
  return new Forwarder({
    upstreams: config.upstreams,
    policy: config.policy,
    readTimeoutMs: config.readTimeoutMs,
    concurrentMax: config.concurrentMax,
    triesMax: config.triesMax,
    failoverRcodes: config.failoverRcodes,
    failsFastWhenDown: config.failsFastWhenDown,
    upstream: {
      forceTcp: config.forceTcp,
      source: config.source,
      tls: config.tls,
      idleTimeoutMs: expireMs,
      health: { ...health, failsMax },
    },
    events: {
      onAnswer: (to, rcode, seconds) =>
        metrics.observe(
          'coredns_proxy_request_duration_seconds',
          { ...PROXY, to, rcode: rcodeName(rcode) },
          seconds,
        ),
      onConnection: (to, isReused) =>
        metrics.count(
          isReused
            ? 'coredns_proxy_conn_cache_hits_total'
            : 'coredns_proxy_conn_cache_misses_total',
          { ...PROXY, to, proto: 'tcp' },
        ),
      onHealthFailure: (to) =>
        metrics.count('coredns_proxy_healthcheck_failures_total', { ...PROXY, to }),
      onAllDown: () => metrics.count('coredns_forward_healthcheck_broken_total'),
      onRefused: () => metrics.count('coredns_forward_max_concurrent_rejects_total'),
      onCoalesced: () => metrics.count('podwire_dns_forward_coalesced_total'),
    },
  });
}
