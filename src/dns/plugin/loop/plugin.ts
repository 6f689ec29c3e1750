import { randomBytes } from 'node:crypto';
import { Addr } from '../../../ipaddr/addr.ts';
import { queryMessage } from '../../forward/query.ts';
import { RCODE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Environment, Next, Plugin, Query, Reply } from '../plugin.ts';
import { answer, EXTENDED_ERROR } from '../reply.ts';
import { type LoopConfig, parseLoop } from './config.ts';

const TYPE_HINFO = 13;
/** As many as make it likely that every upstream gets one. */
const PROBES = 8;
/** How soon a loop is looked for again while there is one. */
const RETRY_INTERVAL_MS = 10_000;

/**
 * `loop`: finds out whether what is forwarded comes back, by questions nobody else asks. A loop is
 * written to the log and counted. While every probe comes back nobody is asked, for it would only
 * go round; the rest of the server works, and probing goes on until the loop is gone.
 */
export const loop = definePlugin<LoopConfig>({
  name: 'loop',
  parse: parseLoop,
  says: () => [
    'looks for loops when it starts; where CoreDNS ends itself, one is reported, and queries that would go round get SERVFAIL until it is gone',
  ],
  create: (_, environment) => new Loop(environment),
});

class Loop implements Plugin {
  readonly name = 'loop';
  readonly #environment: Environment;
  readonly #zone: string;
  #probes = new Set<string>();
  readonly #returned = new Set<string>();
  #goesRound = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#zone = environment.server.zones[0] ?? '.';
  }

  started(): void {
    void this.#probe();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#report(0);
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    if (query.request.question.type === TYPE_HINFO && this.#probes.has(query.name)) {
      if (query.context.clientPort !== 0) {
        // It came from the network: round it goes no further.
        this.#returned.add(query.name);
        return answer(query, this.name, RCODE.REFUSED);
      }
      return await next(query);
    }
    if (!this.#goesRound) return await next(query);
    return {
      ...answer(query, this.name, RCODE.SERVFAIL, {
        extendedError: EXTENDED_ERROR.NO_REACHABLE_AUTHORITY,
        extendedText: 'what is forwarded comes back',
      }),
      problem: `loop: what is forwarded for ${this.#zone} comes back`,
    };
  }

  async #probe(): Promise<void> {
    const suffix = this.#zone === '.' ? '' : this.#zone;
    const names = Array.from(
      { length: PROBES },
      () => `${randomBytes(8).toString('hex')}.${randomBytes(8).toString('hex')}.${suffix}`,
    );
    this.#probes = new Set(names);
    this.#returned.clear();
    await Promise.allSettled(names.map((name) => this.#ask(name)));
    if (this.#isStopped) return;
    this.#report(this.#returned.size);
    // Without a loop there is nothing to look for until the configuration changes.
    if (this.#returned.size === 0) return;
    this.#timer = setTimeout(() => void this.#probe(), RETRY_INTERVAL_MS).unref();
  }

  async #ask(name: string): Promise<void> {
    const nobody = Addr.v4(0);
    await this.#environment.ask({
      request: queryMessage({ name, type: TYPE_HINFO, class: 1 }, true, false, undefined),
      name,
      context: { client: nobody, clientPort: 0, local: nobody, transport: 'udp' },
      server: this.#environment.server.label,
      depth: 0,
    });
  }

  #report(returned: number): void {
    const { log, metrics, server } = this.#environment;
    const goesRound = returned >= PROBES;
    if (returned > 0 && !this.#goesRound) {
      log.error(
        { zone: this.#zone, returned, of: PROBES },
        'what is forwarded comes back: an upstream, perhaps one of resolv.conf, leads here again',
      );
    }
    if (this.#goesRound && returned === 0) log.info({ zone: this.#zone }, 'the loop is gone');
    this.#goesRound = goesRound;
    const labels = { server: server.label, zone: this.#zone };
    metrics.set('podwire_dns_forward_loops', labels, returned > 0 ? 1 : 0);
  }
}
