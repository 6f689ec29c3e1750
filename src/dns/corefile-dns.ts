import { setTimeout as delay } from 'node:timers/promises';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { Addr } from '../ipaddr/addr.ts';
import type { SharedCacheSize } from './cache/shared-cache.ts';
import { TableClusterView } from './cluster-view.ts';
import { type CorefileSource, readCorefile } from './corefile/parse.ts';
import type { NamedServer } from './dns.ts';
import { type CorefileNameExplanation, explainByCorefile } from './explain/corefile.ts';
import { FollowedZone, type Publication, type ZoneSource } from './followed-zone.ts';
import { localAddresses } from './local-addresses.ts';
import { canonicalName, zoneOf } from './message/name.ts';
import { typeNumber } from './message/numbers.ts';
import {
  type Configuration,
  type ConfiguredBlock,
  configure,
  kubernetesOf,
  lameduckMsOf,
  mayTransfer,
  needsChain,
} from './plugin/configure.ts';
import { type Listener, listenersOf } from './plugin/listeners.ts';
import type { Metrics } from './plugin/metrics.ts';
import type { ClusterView, DnsLog } from './plugin/plugin.ts';
import type { AnswerClass } from './plugin/reply.ts';
import { DnsRuntime } from './plugin/runtime.ts';
import { CorefileWatcher } from './plugin/watcher.ts';
import type { Acl } from './server/acl.ts';
import type { AnswererOptions } from './server/answer.ts';
import { type Route, Routes } from './server/routes.ts';
import { type Answering, DnsServer } from './server/server.ts';
import { encodeName } from './wire/name.ts';
import type { KubernetesZoneOptions } from './zone/options.ts';

/** What a configuration asks to know of the cluster beside Services and namespaces. */
export interface CorefileNeeds {
  /** All pods: `pods verified`. */
  readonly pods: boolean;
  /** ServiceImports: `multicluster`. */
  readonly imports: boolean;
}

/** What a DNS server that runs a Corefile is started with. */
export interface CorefileDnsOptions {
  readonly source: CorefileSource;
  /** Where `{$NAME}` in it comes from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The port of server blocks that name none. */
  readonly port: number;
  /** Where server blocks without `bind` listen; see DnsServerOptions. */
  readonly addresses: readonly string[];
  /** UDP threads for each address and port. */
  readonly workers: number;
  readonly answerer: AnswererOptions;
  /** Who may transfer zones; without it nobody. */
  readonly transfer?: Acl;
  readonly log: DnsLog;
  readonly metrics: Metrics;
  /** All metrics in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
  /** Which answers are written to the debug log; every query then goes through the plugins. */
  readonly logClasses?: ReadonlySet<AnswerClass>;
  readonly sharedSize?: SharedCacheSize;
  /** Whether threads look into the cache themselves, by the machine's clock; so by default. */
  readonly sharesCache?: boolean;
  /** The time in milliseconds since 1970. */
  readonly now?: () => number;
  readonly spawnWorker?: (options: WorkerOptions) => Worker;
  readonly onPublish?: (publication: Publication) => void;
  /** Told whenever a configuration comes into force. */
  readonly onNeeds?: (needs: CorefileNeeds) => void;
  /** Called when a part dies that can't be done without. */
  readonly onFailure: (error: Error) => void;
}

interface Zone {
  readonly key: string;
  readonly followed: FollowedZone;
  readonly view: ClusterView;
}

/**
 * DNS as a Corefile says: the servers it wants, each with what its threads may answer from a table, and
 * its plugins for the rest. A changed file is taken over whole, while everything answers, or not at all.
 */
export class CorefileDns {
  readonly #store: ZoneSource;
  readonly #options: CorefileDnsOptions;
  readonly #runtime: DnsRuntime;
  #watcher: CorefileWatcher | undefined;
  #servers = new Map<string, NamedServer>();
  #zones: readonly Zone[] = [];
  readonly #zoneOf = new WeakMap<ConfiguredBlock, Zone>();
  /** One change after the other. */
  #busy: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  private constructor(store: ZoneSource, options: CorefileDnsOptions) {
    this.#store = store;
    this.#options = options;
    const { log, metrics, metricsText, logClasses, sharedSize, now } = options;
    this.#runtime = new DnsRuntime({
      log,
      metrics,
      metricsText,
      clusterOf: (block) => this.#zoneOf.get(block)?.view,
      ...(logClasses === undefined ? {} : { logClasses }),
      ...(sharedSize === undefined ? {} : { sharedSize }),
      ...(now === undefined ? {} : { now }),
    });
  }

  /**
   * Reads the Corefile and serves when it resolves. Rejects with CorefileError, with the error of
   * reading the file, or with that of a port that is taken.
   */
  static async start(store: ZoneSource, options: CorefileDnsOptions): Promise<CorefileDns> {
    const { source, environment, port, log, metrics } = options;
    const parse = { environment, defaultPort: port };
    const configuration = configure(readCorefile(source, parse));
    const dns = new CorefileDns(store, options);
    try {
      await dns.#apply(configuration);
    } catch (error) {
      await dns.stop();
      throw error;
    }
    dns.#watcher = new CorefileWatcher(configuration, {
      source,
      parse,
      log,
      metrics,
      apply: (next) => dns.#afterOthers(() => dns.#apply(next)),
    });
    return dns;
  }

  /** What is in force. */
  get configuration(): Configuration {
    return this.#runtime.configuration;
  }

  get servers(): readonly NamedServer[] {
    return [...this.#servers.values()];
  }

  /**
   * Explains what a name gives, on the port of server blocks that name none, or else the first there is.
   * Throws NameError and QueryTypeError.
   */
  explain(name: string, type: string): CorefileNameExplanation {
    const { port: usual, addresses } = this.#options;
    const all = listenersOf(this.configuration, addresses);
    const listener = all.find(({ port }) => port === usual) ?? all[0];
    const number = typeNumber(type);
    const zone = canonicalName(name);
    const served = listener?.zones.find((each) => zoneOf(zone, [each.zone]) !== undefined);
    const table = served === undefined ? undefined : this.#zoneOf.get(served.block)?.followed.zone;
    return explainByCorefile(this.#store, this.configuration, listener?.port ?? usual, name, type, {
      table: table?.table,
      now: number === undefined ? [] : this.#runtime.knows(listener?.key ?? '', zone, number),
    });
  }

  /** Why what the Corefile says now is not in force; undefined when it is. */
  get refused(): string | undefined {
    return this.#watcher?.refused;
  }

  /** Looks now whether the Corefile has changed; gives whether another one is in force. */
  async reload(): Promise<boolean> {
    return (await this.#watcher?.check()) ?? false;
  }

  /** Follows another Corefile from now on. Rejects when that is wrong; then this one stays in force. */
  async follow(source: CorefileSource): Promise<void> {
    await this.#watcher?.follow(source);
  }

  /** Serves on for as long as `health` says, then stops; what was asked before is answered. */
  async stop(): Promise<void> {
    this.#watcher?.close();
    await this.#afterOthers(async () => {
      if (this.#isStopped) return;
      this.#isStopped = true;
      const lameduckMs = lameduckMsOf(this.configuration);
      if (lameduckMs > 0) {
        this.#options.log.info({ lameduckSeconds: lameduckMs / 1000 }, 'DNS serves on for a while');
        await delay(lameduckMs);
      }
      await Promise.all(this.servers.map(({ server }) => server.stop()));
      this.#runtime.stop();
      for (const { followed } of this.#zones) followed[Symbol.dispose]();
      this.#zones = [];
    });
  }

  async #afterOthers(work: () => Promise<void>): Promise<void> {
    const before = this.#busy;
    const own = before.then(work);
    this.#busy = own.catch(() => undefined);
    await own;
  }

  async #apply(configuration: Configuration): Promise<void> {
    if (this.#isStopped) return;
    const listeners = listenersOf(configuration, this.#options.addresses);
    const zones: Zone[] = [];
    const opened = new Map<string, NamedServer>();
    const prepared: DnsServer[] = [];
    const isNew = (zone: Zone) => !this.#zones.includes(zone);
    try {
      for (const block of configuration.blocks) this.#openZone(block, listeners, zones);
      for (const listener of listeners) {
        const answering = this.#answering(listener);
        const known = this.#servers.get(listener.key);
        if (known === undefined) {
          opened.set(listener.key, await this.#open(listener, answering));
        } else {
          prepared.push(known.server);
          await known.server.prepare(answering);
        }
      }
      await this.#runtime.apply(configuration, listeners);
    } catch (error) {
      await Promise.all(prepared.map((server) => server.discard()));
      await Promise.all([...opened.values()].map(({ server }) => server.stop()));
      for (const { followed } of zones.filter(isNew)) followed[Symbol.dispose]();
      for (const { key } of listeners) if (!this.#servers.has(key)) this.#runtime.forget(key);
      throw error;
    }
    try {
      await this.#takeOver(listeners, opened, zones);
    } catch (error) {
      // Half of it is in force: there is no way back, and none forward either.
      this.#options.onFailure(error as Error);
      throw error;
    }
    this.#options.onNeeds?.(needsOf(configuration));
    this.#published({ names: 0, tableBytes: 0, durationSeconds: 0, programming: [] });
  }

  /** Serves as was prepared, and stops what is wanted no more. */
  async #takeOver(
    listeners: readonly Listener[],
    opened: ReadonlyMap<string, NamedServer>,
    zones: readonly Zone[],
  ): Promise<void> {
    const gone = [...this.#servers].filter(([key]) => !listeners.some((each) => each.key === key));
    for (const [key] of gone) this.#servers.delete(key);
    for (const [key, server] of opened) this.#servers.set(key, server);
    await Promise.all(this.servers.map(({ server }) => server.commit()));
    await Promise.all(gone.map(([, { server }]) => server.stop()));
    for (const [key] of gone) this.#runtime.forget(key);
    for (const zone of this.#zones) if (!zones.includes(zone)) zone.followed[Symbol.dispose]();
    this.#zones = zones;
  }

  async #open(listener: Listener, answering: Answering): Promise<NamedServer> {
    const { workers, spawnWorker, onFailure } = this.#options;
    const server = await DnsServer.open({
      ...answering,
      addresses: listener.addresses,
      port: listener.port,
      workers,
      fallback: this.#runtime.fallback(listener.key),
      onFailure,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    });
    return { label: listener.label, server };
  }

  /** What the threads of a listener do by themselves: blocks in which no plugin has a say before. */
  #answering({ key, zones }: Listener): Answering {
    const { answerer, logClasses, sharesCache = true } = this.#options;
    const logsAll = (logClasses?.size ?? 0) > 0;
    const followed: FollowedZone[] = [];
    const routes = zones.map(({ zone, block }): Route => {
      const own = this.#zoneOf.get(block)?.followed;
      const wire = encodeName(zone);
      if (own === undefined) return { zone: wire, table: undefined };
      if (!followed.includes(own)) followed.push(own);
      const number = followed.indexOf(own);
      const isFast = !needsChain(block) && !logsAll;
      return isFast
        ? { zone: wire, table: number }
        : { zone: wire, table: undefined, transferTable: number };
    });
    const forwards = zones.some(({ block }) =>
      block.plugins.some(({ name }) => name === 'forward'),
    );
    return {
      routes: new Routes({ tables: followed.map(({ zone }) => zone.table.source), routes }),
      answerer: { ...answerer, recursionAvailable: forwards },
      mayTransfer: (name, type, octets) => {
        const zone = canonicalName(name);
        const block = zones.find((each) => zoneOf(zone, [each.zone]) !== undefined)?.block;
        const query = { zone, type, client: Addr.fromBytes(octets).unmap() };
        const inAnyCase = this.#options.transfer?.permits(octets) ?? false;
        return block !== undefined && mayTransfer(block, query, inAnyCase);
      },
      ...(sharesCache ? { sharedAnswers: this.#runtime.sharedAnswers(key) } : {}),
    };
  }

  /** Finds the zone a block is answered from, or begins to follow it. */
  #openZone(block: ConfiguredBlock, listeners: readonly Listener[], zones: Zone[]): void {
    const config = kubernetesOf(block);
    if (config === undefined) return;
    const addresses = listeners
      .filter((listener) => listener.zones.some((each) => each.block === block))
      .flatMap((listener) => listener.addresses.flatMap(localAddresses));
    const options = { ...config.options, localAddresses: addresses };
    const key = JSON.stringify({ ...options, localAddresses: addresses.map(String) });
    const known = [...zones, ...this.#zones].find((zone) => zone.key === key);
    const zone = known ?? { key, ...this.#follow(options) };
    this.#zoneOf.set(block, zone);
    if (!zones.includes(zone)) zones.push(zone);
  }

  #follow(options: KubernetesZoneOptions): Omit<Zone, 'key'> {
    const followed = new FollowedZone(this.#store, {
      zone: options,
      onPublish: (publication) => this.#published(publication),
      onFailure: this.#options.onFailure,
    });
    const view = new TableClusterView({
      table: followed.zone.table,
      state: this.#store,
      domain: options.zones.find((name) => !name.endsWith('.arpa')) ?? '.',
    });
    return { followed, view };
  }

  #published(publication: Publication): void {
    const all = this.#zones.map(({ followed }) => followed.zone);
    this.#options.onPublish?.({
      ...publication,
      names: all.reduce((sum, { nameCount }) => sum + nameCount, 0),
      tableBytes: all.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    });
  }
}

function needsOf({ blocks }: Configuration): CorefileNeeds {
  const all = blocks.flatMap((block) => kubernetesOf(block)?.options ?? []);
  return {
    pods: all.some(({ pods }) => pods === 'verified'),
    imports: all.some(({ multicluster }) => multicluster.length > 0),
  };
}
