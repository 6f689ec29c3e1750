import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SharedCache, type SharedCacheSize } from '../cache/shared-cache.ts';
import { MessageError, zoneOf } from '../message/name.ts';
import { typeName } from '../message/numbers.ts';
import type { Fallback } from '../server/fallback.ts';
import { RCODE, rcodeName } from '../wire/constants.ts';
import {
  chainOf,
  encodeReply,
  followCname,
  isForPlugins,
  notForPlugins,
  readQuery,
  rejectQuery,
} from './chain.ts';
import {
  type Configuration,
  type ConfiguredBlock,
  mayShareCache,
  needsChain,
} from './configure.ts';
import { HttpEndpoints, HttpListeners } from './http-endpoints.ts';
import type { Metrics } from './metrics.ts';
import type { ClusterView, DnsLog, Environment, Next, Plugin, Reply } from './plugin.ts';
import { answer, answerClass, refused } from './reply.ts';

/** What a DnsRuntime is made with. */
export interface RuntimeOptions {
  readonly log: DnsLog;
  readonly metrics: Metrics;
  readonly metricsText: () => Promise<string>;
  /** Undefined without a cluster. */
  readonly cluster?: ClusterView;
  readonly sharedSize?: SharedCacheSize;
  readonly now?: () => number;
  /** Whether every answer is written to the debug log. */
  readonly logsQueries?: boolean;
}

interface RunningBlock {
  readonly zones: readonly string[];
  readonly ports: readonly number[];
  readonly plugins: readonly Plugin[];
  readonly chain: Next;
  readonly udpBytesMax: number;
}

interface Running {
  readonly configuration: Configuration;
  readonly blocks: readonly RunningBlock[];
}

/**
 * The plugins of one Corefile at a time, and what outlives it: HTTP listeners and the memory of shared
 * answers. Another Corefile takes over whole or not at all.
 */
export class DnsRuntime {
  readonly listeners = new HttpListeners();
  readonly #options: RuntimeOptions;
  readonly #shared = new Map<number, SharedCache>();
  #running: Running = {
    configuration: { corefile: { blocks: [], sources: [] }, blocks: [] },
    blocks: [],
  };

  constructor(options: RuntimeOptions) {
    this.#options = options;
  }

  /** What is in force. */
  get configuration(): Configuration {
    return this.#running.configuration;
  }

  /**
   * Puts a configuration in force: opens what it needs, then answers by it and closes what only the
   * old one needed. Rejects, with the old one in force, when something can't be opened.
   */
  async apply(configuration: Configuration): Promise<void> {
    const endpoints = new HttpEndpoints();
    const blocks: RunningBlock[] = [];
    for (const block of configuration.blocks) {
      blocks.push(this.#build(block, endpoints, () => blocks.flatMap(({ plugins }) => plugins)));
    }
    const plugins = blocks.flatMap((block) => block.plugins);
    try {
      for (const plugin of plugins) await plugin.start?.();
      await this.listeners.replace(endpoints);
    } catch (error) {
      for (const plugin of plugins) plugin.stop?.();
      throw error;
    }
    const old = this.#running;
    this.#running = { configuration, blocks };
    for (const { plugins: gone } of old.blocks) for (const plugin of gone) plugin.stop?.();
    // Names may have another block now, whose plugins made none of these answers.
    for (const shared of this.#shared.values()) shared.clear();
    for (const plugin of plugins) plugin.started?.();
    const value = configurationHash(configuration);
    this.#options.metrics.set('coredns_reload_version_info', { hash: 'sha512', value }, 1);
  }

  /** Stops all plugins and closes the listeners. */
  stop(): void {
    for (const { plugins } of this.#running.blocks) for (const plugin of plugins) plugin.stop?.();
    this.#running = { ...this.#running, blocks: [] };
    this.listeners.close();
  }

  /** Answers queries that came to a port. */
  fallback(port: number): Fallback {
    return async (request, context) => {
      let query: ReturnType<typeof readQuery>;
      try {
        query = readQuery(request, context);
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        return rejectQuery(request, error);
      }
      const start = performance.now();
      const block = this.#blockOf(query.name, port);
      let reply: Reply | undefined;
      if (!isForPlugins(query)) reply = notForPlugins(query);
      else if (block === undefined) reply = refused(query, '');
      else reply = await this.#ask(block, query);
      if (reply === undefined) return undefined;
      if (this.#options.logsQueries === true) {
        const { message, by } = reply;
        this.#options.log.debug(
          {
            client: context.client.toString(),
            name: query.name,
            type: typeName(query.request.question.type),
            class: answerClass(message),
            rcode: rcodeName(message.rcode),
            plugin: by,
            durationSeconds: (performance.now() - start) / 1000,
          },
          'query',
        );
      }
      return encodeReply(query, reply, block?.udpBytesMax ?? Number.POSITIVE_INFINITY);
    };
  }

  /** The memory of answers for the threads of a port. */
  sharedAnswers(port: number): SharedArrayBuffer {
    return this.#sharedOf(port).memory;
  }

  /** Whether every query to the port must come here, also those of the cluster's names. */
  handsOverAll(port: number): boolean {
    const { blocks } = this.#running.configuration;
    return blocks.some((block) => block.ports.includes(port) && needsChain(block));
  }

  async #ask(block: RunningBlock, query: ReturnType<typeof readQuery>): Promise<Reply | undefined> {
    try {
      return await block.chain(query);
    } catch (error) {
      this.#options.metrics.count('coredns_panics_total');
      this.#options.log.error({ query: query.name, error: String(error) }, 'query failed');
      return answer(query, '', RCODE.SERVFAIL);
    }
  }

  #blockOf(name: string, port: number): RunningBlock | undefined {
    let found: RunningBlock | undefined;
    let longest = -1;
    for (const block of this.#running.blocks) {
      if (!block.ports.includes(port)) continue;
      const zone = zoneOf(name, block.zones);
      if (zone !== undefined && zone.length > longest) {
        found = block;
        longest = zone.length;
      }
    }
    return found;
  }

  #sharedOf(port: number): SharedCache {
    const known = this.#shared.get(port);
    if (known !== undefined) return known;
    const shared = new SharedCache(this.#options.sharedSize);
    this.#shared.set(port, shared);
    return shared;
  }

  #build(
    block: ConfiguredBlock,
    endpoints: HttpEndpoints,
    everyPlugin: () => readonly Plugin[],
  ): RunningBlock {
    const { log, metrics, metricsText, cluster, now = Date.now } = this.#options;
    const port = block.ports[0] ?? 53;
    const server = `dns://:${port}`;
    const chain: { ask: Next } = { ask: async (query) => refused(query, '') };
    // A block on several ports has one cache, which can't be in the memory of both.
    const isShared = block.ports.length === 1 && mayShareCache(block);
    const environment: Environment = {
      server: { zones: block.zones, port, labels: { server, view: '' } },
      log,
      metrics,
      metricsText,
      endpoints,
      cluster,
      shared: isShared ? this.#sharedOf(port) : undefined,
      rotates: block.plugins.some(({ name }) => name === 'loadbalance'),
      ask: (query) => chain.ask(query),
      resolve: (query, cname) => followCname((each) => chain.ask(each), query, cname),
      now,
      notReady: () =>
        everyPlugin().flatMap((plugin) => {
          const reason = plugin.notReady?.();
          return reason === undefined ? [] : [`${plugin.name}: ${reason}`];
        }),
    };
    const plugins = block.plugins.map((configured) => {
      const labels = {
        ...environment.server.labels,
        zone: block.zones.join(','),
        name: configured.name,
      };
      metrics.set('coredns_plugin_enabled', labels, 1);
      return configured.create(environment);
    });
    chain.ask = chainOf(plugins);
    const limits = block.plugins.map(({ udpBytesMax }) => udpBytesMax ?? Number.POSITIVE_INFINITY);
    return {
      zones: block.zones,
      ports: block.ports,
      plugins,
      chain: chain.ask,
      udpBytesMax: Math.min(...limits),
    };
  }
}

/** Changes when the Corefile, a file it imports or one a plugin reads at start has changed. */
export function configurationHash({ corefile, blocks }: Configuration): string {
  const hash = createHash('sha512');
  for (const { path, text } of corefile.sources) hash.update(`${path}\0${text}\0`);
  for (const { plugins } of blocks) {
    for (const path of plugins.flatMap(({ files }) => files ?? [])) {
      let text = '';
      try {
        text = readFileSync(path, 'utf8');
      } catch {
        // Gone: that is a change too.
      }
      hash.update(`${path}\0${text}\0`);
    }
  }
  return hash.digest('hex');
}
