import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Addr } from '../../ipaddr/addr.ts';
import { SharedCache, type SharedCacheSize, writeToAll } from '../cache/shared-cache.ts';
import { queryMessage } from '../forward/query.ts';
import { canonicalName, MessageError, zoneOf } from '../message/name.ts';
import { typeName } from '../message/numbers.ts';
import type { Fallback } from '../server/fallback.ts';
import { CLASS_IN, RCODE, rcodeName } from '../wire/constants.ts';
import {
  chainOf,
  encodeReply,
  followCname,
  isForPlugins,
  notForPlugins,
  readQuery,
  rejectQuery,
} from './chain.ts';
import { type Configuration, type ConfiguredBlock, mayShareCache } from './configure.ts';
import { HttpEndpoints, HttpListeners } from './http-endpoints.ts';
import type { Listener } from './listeners.ts';
import type { Metrics } from './metrics.ts';
import {
  type ClusterView,
  type DnsLog,
  type Environment,
  type Next,
  type Plugin,
  type Query,
  type Reply,
  serverLabels,
} from './plugin.ts';
import { type AnswerClass, answer, answerClass, refused } from './reply.ts';

/** What a DnsRuntime is made with. */
export interface RuntimeOptions {
  readonly log: DnsLog;
  readonly metrics: Metrics;
  readonly metricsText: () => Promise<string>;
  /** What a block with `kubernetes` sees of the cluster; undefined without one. */
  readonly clusterOf?: (block: ConfiguredBlock) => ClusterView | undefined;
  readonly sharedSize?: SharedCacheSize;
  readonly now?: () => number;
  /** Which answers are written to the debug log. */
  readonly logClasses?: ReadonlySet<AnswerClass>;
}

interface RunningBlock {
  readonly plugins: readonly Plugin[];
  readonly chain: Next;
  readonly udpBytesMax: number;
  /** Whether there is `prometheus`, and sizes are counted. */
  readonly countsSizes: boolean;
  inFlight: number;
  /** Another Corefile is in force; the last answer stops the plugins. */
  isRetired: boolean;
}

interface RunningZone {
  readonly zone: string;
  readonly block: RunningBlock;
}

interface Running {
  readonly configuration: Configuration;
  readonly blocks: readonly RunningBlock[];
  /** By the key of a listener, the longest zone first. */
  readonly zones: ReadonlyMap<string, readonly RunningZone[]>;
  /** By the same key, what metrics call the server. */
  readonly labels: ReadonlyMap<string, string>;
}

/**
 * The plugins of one Corefile at a time, and what outlives it: HTTP listeners and the memory of shared
 * answers. Another Corefile takes over whole or not at all.
 */
export class DnsRuntime {
  readonly listeners = new HttpListeners();
  readonly #options: RuntimeOptions;
  readonly #shared = new Map<string, SharedCache>();
  #running: Running = {
    configuration: { corefile: { blocks: [], sources: [] }, blocks: [] },
    blocks: [],
    zones: new Map(),
    labels: new Map(),
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
  async apply(configuration: Configuration, listeners: readonly Listener[]): Promise<void> {
    const { metrics } = this.#options;
    const endpoints = new HttpEndpoints();
    const built = new Map<ConfiguredBlock, RunningBlock>();
    const blocks = (): RunningBlock[] => [...built.values()];
    for (const block of configuration.blocks) {
      const own = listeners.filter(({ zones }) => zones.some((each) => each.block === block));
      const everyPlugin = () => blocks().flatMap(({ plugins }) => plugins);
      built.set(block, this.#build(block, own, endpoints, everyPlugin));
    }
    const plugins = blocks().flatMap((block) => block.plugins);
    try {
      for (const plugin of plugins) await plugin.start?.();
      await this.listeners.replace(endpoints);
    } catch (error) {
      for (const plugin of plugins) plugin.stop?.();
      throw error;
    }
    const old = this.#running;
    const zones = listeners.map((listener): [string, RunningZone[]] => [
      listener.key,
      listener.zones.flatMap(({ zone, block }) => {
        const running = built.get(block);
        return running === undefined ? [] : [{ zone, block: running }];
      }),
    ]);
    const labels = new Map(listeners.map(({ key, label }) => [key, label]));
    this.#running = { configuration, blocks: blocks(), zones: new Map(zones), labels };
    for (const block of old.blocks) retire(block);
    // Names may have another block now, whose plugins made none of these answers.
    for (const shared of this.#shared.values()) shared.clear();
    metrics.clear('coredns_plugin_enabled');
    for (const { block, label } of listeners.flatMap(({ zones: served, label: server }) =>
      served.map((each) => ({ block: each, label: server })),
    )) {
      for (const { name } of block.block.plugins) {
        const enabled = { server: label, zone: block.zone, view: '', name };
        metrics.set('coredns_plugin_enabled', enabled, 1);
      }
    }
    for (const plugin of plugins) plugin.started?.();
    const value = configurationHash(configuration);
    metrics.clear('coredns_reload_version_info');
    metrics.set('coredns_reload_version_info', { hash: 'sha512', value }, 1);
  }

  /** Stops all plugins and closes the listeners. */
  stop(): void {
    for (const block of this.#running.blocks) stopPlugins(block);
    this.#running = { ...this.#running, blocks: [], zones: new Map() };
    this.listeners.close();
  }

  /** Answers queries that came to a listener. */
  fallback(listener: string): Fallback {
    return async (request, context) => {
      let query: Query;
      try {
        query = readQuery(request, context, this.#labelOf(listener));
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        return rejectQuery(request, error);
      }
      const start = performance.now();
      const served = this.#zoneOf(query.name, listener);
      let reply: Reply | undefined;
      if (!isForPlugins(query)) reply = notForPlugins(query);
      else if (served === undefined) reply = refused(query, '');
      else reply = await this.#ask(served.block, query);
      if (reply === undefined) return undefined;
      this.#log(query, reply, start);
      const limit = served?.block.udpBytesMax ?? Number.POSITIVE_INFINITY;
      const encoded = encodeReply(query, reply, limit);
      if (served?.block.countsSizes === true) {
        const { metrics } = this.#options;
        const labels = { ...serverLabels(query), zone: served.zone, proto: context.transport };
        metrics.observe('coredns_dns_request_size_bytes', labels, request.length);
        metrics.observe('coredns_dns_response_size_bytes', labels, encoded.length);
      }
      return encoded;
    };
  }

  /** What the plugins of a listener know of a name now, as `plugin: sentence`; nobody is asked. */
  knows(listener: string, name: string, type: number): readonly string[] {
    const nobody = Addr.v4(0);
    const query: Query = {
      request: queryMessage({ name, type, class: CLASS_IN }, true, false, undefined),
      name: canonicalName(name),
      context: { client: nobody, clientPort: 0, local: nobody, transport: 'udp' },
      server: this.#labelOf(listener),
      depth: 0,
    };
    const plugins = this.#zoneOf(query.name, listener)?.block.plugins ?? [];
    return plugins.flatMap((plugin) =>
      (plugin.knows?.(query) ?? []).map((sentence) => `${plugin.name}: ${sentence}`),
    );
  }

  /** The memory of answers for the threads of a listener. */
  sharedAnswers(listener: string): SharedArrayBuffer {
    return this.#sharedOf(listener).memory;
  }

  /** Forgets what only a listener that is no more needed. */
  forget(listener: string): void {
    this.#shared.delete(listener);
  }

  #log(query: Query, { message, by }: Reply, start: number): void {
    const { log, logClasses } = this.#options;
    const kind = answerClass(message);
    if (logClasses?.has(kind) !== true) return;
    const fields = {
      client: query.context.client.toString(),
      proto: query.context.transport,
      name: query.name,
      type: typeName(query.request.question.type),
      class: kind,
      rcode: rcodeName(message.rcode),
      plugin: by,
      durationSeconds: (performance.now() - start) / 1000,
    };
    log.debug(fields, 'query');
  }

  async #ask(block: RunningBlock, query: Query): Promise<Reply | undefined> {
    block.inFlight += 1;
    try {
      return await block.chain(query);
    } catch (error) {
      this.#options.metrics.count('coredns_panics_total');
      this.#options.log.error({ query: query.name, error: String(error) }, 'query failed');
      return answer(query, '', RCODE.SERVFAIL);
    } finally {
      block.inFlight -= 1;
      if (block.isRetired && block.inFlight === 0) stopPlugins(block);
    }
  }

  #labelOf(listener: string): string {
    return this.#running.labels.get(listener) ?? '';
  }

  #zoneOf(name: string, listener: string): RunningZone | undefined {
    const zones = this.#running.zones.get(listener) ?? [];
    return zones.find(({ zone }) => zoneOf(name, [zone]) !== undefined);
  }

  /** Asks whichever block has the name, as if it were a query of its own. */
  async #askListener(listener: string, query: Query): Promise<Reply | undefined> {
    const served = this.#zoneOf(query.name, listener);
    return served === undefined ? refused(query, '') : await served.block.chain(query);
  }

  #sharedOf(listener: string): SharedCache {
    const known = this.#shared.get(listener);
    if (known !== undefined) return known;
    const shared = new SharedCache(this.#options.sharedSize);
    this.#shared.set(listener, shared);
    return shared;
  }

  #build(
    block: ConfiguredBlock,
    listeners: readonly Listener[],
    endpoints: HttpEndpoints,
    everyPlugin: () => readonly Plugin[],
  ): RunningBlock {
    const { log, metrics, metricsText, clusterOf, logClasses, now = Date.now } = this.#options;
    const { key = '', label = '', port = 0 } = listeners[0] ?? {};
    const chain: { ask: Next } = { ask: async (query) => refused(query, '') };
    const logsAll = (logClasses?.size ?? 0) > 0;
    const isShared = mayShareCache(block) && !logsAll;
    // What a block of several listeners keeps is in the memory of each.
    const copies = (): SharedCache[] => listeners.map((each) => this.#sharedOf(each.key));
    const environment: Environment = {
      server: { zones: block.zones, port, label },
      log,
      metrics,
      metricsText,
      endpoints,
      cluster: clusterOf?.(block),
      shared: isShared ? writeToAll(copies()) : undefined,
      rotates: block.plugins.some(({ name }) => name === 'loadbalance'),
      ask: (query) => chain.ask(query),
      resolve: (query, cname) => {
        const came = listeners.find((listener) => listener.label === query.server)?.key ?? key;
        return followCname((each) => this.#askListener(came, each), query, cname);
      },
      now,
      notReady: () =>
        everyPlugin().flatMap((plugin) => {
          const reason = plugin.notReady?.();
          return reason === undefined ? [] : [`${plugin.name}: ${reason}`];
        }),
    };
    const plugins = block.plugins.map((configured) => configured.create(environment));
    chain.ask = chainOf(plugins);
    const limits = block.plugins.map(({ udpBytesMax }) => udpBytesMax ?? Number.POSITIVE_INFINITY);
    return {
      plugins,
      chain: chain.ask,
      udpBytesMax: Math.min(...limits),
      countsSizes: block.plugins.some(({ name }) => name === 'prometheus'),
      inFlight: 0,
      isRetired: false,
    };
  }
}

/** Stops the plugins of a block that is no more, once they have answered what they were asked. */
function retire(block: RunningBlock): void {
  block.isRetired = true;
  if (block.inFlight === 0) stopPlugins(block);
}

function stopPlugins({ plugins }: RunningBlock): void {
  for (const plugin of plugins) plugin.stop?.();
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
