import { nameBytes } from '../../message/message.ts';
import { RCODE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import type { Environment, Next, Plugin, Query, Reply } from '../plugin.ts';
import { type KubernetesConfig, parseKubernetes } from './config.ts';

/** `kubernetes`: the names of the cluster, from the table every thread answers from. */
export const kubernetes = definePlugin<KubernetesConfig>({
  name: 'kubernetes',
  parse: parseKubernetes,
  says: ({ options, ignored }) => [
    `answers for Services and pods below ${options.zones.join(' ')}, with a TTL of ${options.ttlSeconds} s`,
    ...(options.fallthrough.length > 0
      ? [
          `leaves names that are not there to the next plugin, below ${options.fallthrough.join(' ')}`,
        ]
      : []),
    ...(ignored.length > 0
      ? [`has objects from the agent's own source, so that ${ignored.join(', ')} has no effect`]
      : []),
  ],
  create: (_, environment) => new Kubernetes(environment),
});

class Kubernetes implements Plugin {
  readonly name = 'kubernetes';
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  notReady(): string | undefined {
    return this.#environment.cluster?.notReady();
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    const found = this.#environment.cluster?.answer(query.request, query.context);
    if (found === undefined) return await next(query);
    const { message, target } = found;
    if (target === undefined || message.rcode !== RCODE.NOERROR) {
      return { message, by: this.name, isLive: true };
    }
    const chased = await this.#environment.resolve(query, nameBytes(target));
    const answers = [...message.answers, ...chased];
    return { message: { ...message, answers }, by: this.name, isLive: true };
  }
}
