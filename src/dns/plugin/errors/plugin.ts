import { typeName } from '../../message/numbers.ts';
import { RCODE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { DnsLog, Plugin } from '../plugin.ts';
import { answer } from '../reply.ts';
import { type Consolidation, type ErrorsConfig, parseErrors } from './config.ts';

/** `errors`: writes why queries failed, and answers SERVFAIL for those that ended in an exception. */
export const errors = definePlugin<ErrorsConfig>({
  name: 'errors',
  parse: parseErrors,
  says: ({ consolidations }) => [
    'writes to the log why queries failed',
    ...consolidations.map(
      ({ pattern, everyMs }) => `counts those like ${pattern.source} for ${everyMs / 1000} s each`,
    ),
  ],
  create: ({ consolidations }, { log, metrics }): Plugin => {
    const counters = consolidations.map((each) => new Consolidated(each, log));
    return {
      name: 'errors',
      async handle(query, next) {
        const subject = `${query.name} ${typeName(query.request.question.type)}`;
        const write = (problem: string): void => {
          const counted = counters.find((counter) => counter.take(problem, subject));
          if (counted === undefined) log.error({ query: subject }, problem);
        };
        try {
          const reply = await next(query);
          if (reply?.problem !== undefined) write(reply.problem);
          return reply;
        } catch (error) {
          metrics.count('coredns_panics_total');
          write(String(error));
          return answer(query, 'errors', RCODE.SERVFAIL);
        }
      },
      stop() {
        for (const counter of counters) counter.stop();
      },
    };
  },
});

class Consolidated {
  readonly #options: Consolidation;
  readonly #log: DnsLog;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Consolidation, log: DnsLog) {
    this.#options = options;
    this.#log = log;
  }

  /** Whether the problem is one of those counted here. */
  take(problem: string, subject: string): boolean {
    const { pattern, everyMs, showsFirst } = this.#options;
    if (!pattern.test(problem)) return false;
    if (this.#count === 0 && showsFirst) this.#write({ query: subject }, problem);
    this.#count += 1;
    this.#timer ??= setTimeout(() => this.#flush(), everyMs).unref();
    return true;
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#flush();
  }

  #flush(): void {
    const { pattern, everyMs, showsFirst } = this.#options;
    this.#timer = undefined;
    const count = this.#count;
    this.#count = 0;
    if (showsFirst && count === 1) return;
    this.#write(
      { count },
      `${count} errors like '${pattern.source}' in the last ${everyMs / 1000} s`,
    );
  }

  #write(fields: object, message: string): void {
    const { level } = this.#options;
    this.#log[level === 'warning' ? 'warn' : level](fields, message);
  }
}
