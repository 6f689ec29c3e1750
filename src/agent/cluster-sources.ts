import type { Worker, WorkerOptions } from 'node:worker_threads';
import { type EtcdAccess, etcdOrigin } from '../cluster/etcd/access.ts';
import { NodeRegistration } from '../cluster/etcd/registration.ts';
import { EtcdSource } from '../cluster/etcd/source.ts';
import type { Access } from '../cluster/kube/access.ts';
import type { Wanted } from '../cluster/kube/resource.ts';
import { KubeSource } from '../cluster/kube/source.ts';
import type { ServerSource } from '../cluster/server-source.ts';
import { Store } from '../cluster/store.ts';
import { PodwireError } from '../errors.ts';
import type { Addr } from '../ipaddr/addr.ts';
import type { DnsNeeds } from './dns.ts';
import type { HealthRegistry } from './health/registry.ts';
import { outwardAddrs } from './local-addrs.ts';
import type { Logger } from './log.ts';
import { ManifestsFollower, type Prepared } from './manifests-follower.ts';
import type { AgentMetrics } from './metrics.ts';
import { ServerFollower, type ServerFollowerOptions } from './server-follower.ts';
import type { SourceStatus } from './status/status.ts';

/** Which server is followed: at most one. */
export interface ServerOptions {
  /** A Kubernetes API server. */
  readonly kube?: Access;
  /** Or etcd, and what the keys of the objects begin with. */
  readonly etcd?: { readonly access: EtcdAccess; readonly prefix: string };
  /** The file in which what it said last is kept, for a start without it. */
  readonly savedState?: string;
}

/** Where the cluster's objects come from; at least one of them. */
export interface SourceOptions extends ServerOptions {
  /** Directory of Kubernetes YAML. Its objects go before those of a server. */
  readonly manifests?: string;
  /** Whether all Nodes are wanted, and not this one alone. */
  readonly allNodes: boolean;
  /** The node is registered in etcd, with these addresses or by default those of the default routes. */
  readonly register?: { readonly addresses: readonly Addr[] };
  /** Starts the thread that decodes large lists, where it is not in the source tree. */
  readonly spawnDecoder?: ((options: WorkerOptions) => Worker) | undefined;
}

/** Other sources than before; what is not there stays as it is. */
export interface SourceChanges {
  /** The directory, undefined for none. */
  readonly manifests?: { readonly directory: string | undefined };
  readonly server?: ServerOptions;
}

/** Who asks a server. */
interface AboutNode {
  readonly nodeName: string;
  readonly userAgent: string;
}

/** The store, and the sources that fill it. */
export class ClusterSources implements Disposable {
  readonly store = new Store();
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #health: HealthRegistry;
  readonly #about: AboutNode & Pick<SourceOptions, 'allNodes' | 'spawnDecoder'>;
  readonly #manifests: ManifestsFollower;
  #server: ServerFollower | undefined;
  /** What takes the place of the server once it has told all it has. */
  #next: ServerFollower | undefined;
  #needs: DnsNeeds = { pods: false, imports: false };
  readonly #registered = new DisposableStack();
  #registration: NodeRegistration | undefined;

  /** Opens the sources. Throws when the manifests can't be read; a server may be away. */
  constructor(
    options: SourceOptions,
    about: AboutNode,
    log: Logger,
    metrics: AgentMetrics,
    health: HealthRegistry,
  ) {
    this.#log = log;
    this.#metrics = metrics;
    this.#health = health;
    const { allNodes, spawnDecoder } = options;
    this.#about = { ...about, allNodes, spawnDecoder };
    // Before the server, so that its objects are those in force.
    this.#manifests = new ManifestsFollower(this.store, log, metrics, health);
    if (options.manifests !== undefined) this.#manifests.start(options.manifests);
    this.#server = this.#follow(options);
    const { etcd, register } = options;
    if (etcd !== undefined && register !== undefined) {
      this.#register(etcd, about, register.addresses);
    }
  }

  /** How the directory of manifests is doing, where there is one. */
  manifests(): readonly SourceStatus[] {
    const { status } = this.#manifests;
    return status === undefined ? [] : [status];
  }

  /** Called each time the node was registered anew. */
  onRegistered = (): void => {};

  /** Changes an object, by its path in the API; undefined where there is no API server. */
  get patch(): ((path: string, patch: object) => Promise<void>) | undefined {
    if (!(this.#server?.source instanceof KubeSource)) return undefined;
    return async (path, patch) => {
      // Another one may have taken its place since.
      const source = this.#server?.source;
      if (source instanceof KubeSource) await source.patch(path, patch);
      else throw new PodwireError('ERR_SOURCE', 'no API server is followed any more');
    };
  }

  /** What keeps the node in etcd; undefined where nothing does. */
  get registration(): NodeRegistration | undefined {
    return this.#registration;
  }

  /** Why the objects are not there yet; undefined when they are. */
  notReady(): string | undefined {
    if (this.store.isComplete) return undefined;
    const reason = this.#server?.source.status.lastError ?? 'no answer yet';
    return `the objects of the cluster are not known yet: ${reason}`;
  }

  /** Follows from now on what DNS needs, and no more than that. */
  serve(needs: DnsNeeds): void {
    this.#needs = needs;
    for (const each of [this.#server, this.#next]) {
      if (each?.source instanceof KubeSource) each.source.want(wantedBy(needs));
    }
  }

  /** Reads what other sources have. Throws when the manifests can't be read; a server may be away. */
  prepare({ manifests, server }: SourceChanges): Prepared {
    const prepared =
      manifests === undefined ? undefined : this.#manifests.prepare(manifests.directory);
    return {
      commit: () => {
        prepared?.commit();
        if (server !== undefined) this.#replace(server);
      },
      discard: () => prepared?.discard(),
    };
  }

  /** Ends everything, once what is known is saved. */
  async stop(): Promise<void> {
    await this.#server?.save();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#registered.dispose();
    this.#next?.[Symbol.dispose]();
    this.#server?.[Symbol.dispose]();
    this.#manifests[Symbol.dispose]();
  }

  #register(
    etcd: NonNullable<SourceOptions['etcd']>,
    { nodeName, userAgent }: AboutNode,
    given: readonly Addr[],
  ): void {
    const addresses = given.length > 0 ? given : outwardAddrs();
    const facts = { name: nodeName, addresses: addresses.map(String) };
    let problem: string | undefined = 'not registered yet';
    const registration = new NodeRegistration(
      { ...etcd, userAgent, facts },
      {
        onRegistered: () => {
          problem = undefined;
          this.#log.info(facts, 'the node is registered');
          this.onRegistered();
        },
        onError: (error) => {
          problem = error;
          this.#log.error({ error }, 'registration of the node');
        },
        onRecovered: () => {
          problem = undefined;
        },
      },
    );
    this.#registration = this.#registered.use(registration);
    this.#registered.use(this.#health.probe('node-not-registered', () => problem));
    registration.start();
  }

  /** Objects are only let go of when it is known which take their place. */
  #replace(options: ServerOptions): void {
    // It may have begun to put into the store what it has.
    void this.#next?.retire();
    const before = this.#server;
    this.#next = this.#follow(options, async () => {
      this.#server = this.#next;
      this.#next = undefined;
      await before?.retire();
    });
    if (this.#next !== undefined) return;
    this.#server = undefined;
    void before?.retire();
    this.store.isComplete = true;
  }

  #follow(
    { kube, etcd, savedState }: ServerOptions,
    replaces?: () => Promise<void>,
  ): ServerFollower | undefined {
    const { nodeName, userAgent, allNodes, spawnDecoder } = this.#about;
    const follow = (of: Omit<ServerFollowerOptions<ServerSource>, 'savedState' | 'replaces'>) =>
      new ServerFollower(this.store, { ...of, savedState, replaces }, this.#log, this.#health);
    if (kube !== undefined) {
      const nodes = allNodes ? 'all' : 'own';
      const about = { nodeName, userAgent, spawnDecoder, access: kube, nodes } as const;
      return follow({
        name: 'the API server',
        origin: kube.server.origin,
        open: (part, events) =>
          new KubeSource(part, { ...about, ...wantedBy(this.#needs) }, events),
        metrics: this.#metrics.kube,
      });
    }
    if (etcd !== undefined) {
      return follow({
        name: 'etcd',
        origin: etcdOrigin(etcd.access, etcd.prefix),
        open: (part, events) => new EtcdSource(part, { ...etcd, userAgent }, events),
        metrics: this.#metrics.etcd,
      });
    }
    return undefined;
  }
}

function wantedBy({ pods, imports }: DnsNeeds): Omit<Wanted, 'nodeName' | 'nodes'> {
  return { pods: pods ? 'all' : 'none', imports };
}
