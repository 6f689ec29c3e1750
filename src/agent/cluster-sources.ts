import type { Worker, WorkerOptions } from 'node:worker_threads';
import type { EtcdAccess } from '../cluster/etcd/access.ts';
import { NodeRegistration } from '../cluster/etcd/registration.ts';
import { EtcdSource } from '../cluster/etcd/source.ts';
import type { Access } from '../cluster/kube/access.ts';
import { KubeSource } from '../cluster/kube/source.ts';
import { ManifestSource } from '../cluster/manifests/source.ts';
import type { ServerSource } from '../cluster/server-source.ts';
import { Store } from '../cluster/store.ts';
import type { Addr } from '../ipaddr/addr.ts';
import type { DnsNeeds } from './dns.ts';
import type { HealthRegistry } from './health/registry.ts';
import { outwardAddrs } from './local-addrs.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

import { ServerFollower, type ServerFollowerOptions } from './server-follower.ts';
import { manifestsStatus } from './status/report.ts';
import type { SourceStatus } from './status/status.ts';

/** Where the cluster's objects come from; at least one of them. */
export interface SourceOptions {
  /** Directory of Kubernetes YAML. Its objects go before those of a server. */
  readonly manifests?: string;
  /** A Kubernetes API server. */
  readonly kube?: Access;
  /** Or etcd, and what the keys of the objects begin with. */
  readonly etcd?: { readonly access: EtcdAccess; readonly prefix: string };
  /** Whether all Nodes are wanted, and not this one alone. */
  readonly allNodes: boolean;
  /** The node is registered in etcd, with these addresses or by default those of the default routes. */
  readonly register?: { readonly addresses: readonly Addr[] };
  /** The file in which what it said last is kept, for a start without it. */
  readonly savedState?: string;
  /** Starts the thread that decodes large lists, where it is not in the source tree. */
  readonly spawnDecoder?: ((options: WorkerOptions) => Worker) | undefined;
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
  readonly #opened = new DisposableStack();
  #manifests: (() => SourceStatus) | undefined;
  #kube: ServerFollower<KubeSource> | undefined;
  #etcd: ServerFollower | undefined;
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
    if (options.manifests !== undefined) this.#openManifests(options.manifests);
    const { kube, etcd, savedState, spawnDecoder } = options;
    const follow = <Source extends ServerSource>(
      of: Omit<ServerFollowerOptions<Source>, 'savedState'>,
    ) => this.#opened.use(new ServerFollower(this.store, { ...of, savedState }, log, health));
    if (kube !== undefined) {
      const wanted = {
        ...about,
        access: kube,
        spawnDecoder,
        nodes: options.allNodes ? 'all' : 'own',
        pods: 'none',
        imports: false,
      } as const;
      this.#kube = follow({
        name: 'the API server',
        origin: kube.server.origin,
        open: (part, events) => new KubeSource(part, wanted, events),
        metrics: metrics.kube,
      });
    }
    if (etcd !== undefined) {
      const { userAgent } = about;
      this.#etcd = follow({
        name: 'etcd',
        origin: originOf(etcd.access, etcd.prefix),
        open: (part, events) => new EtcdSource(part, { ...etcd, userAgent }, events),
        metrics: metrics.etcd,
      });
      if (options.register !== undefined) this.#register(etcd, about, options.register.addresses);
    }
  }

  /** How the directory of manifests is doing, where there is one. */
  manifests(): readonly SourceStatus[] {
    return this.#manifests === undefined ? [] : [this.#manifests()];
  }

  /** Changes an object, by its path in the API; undefined where there is no API server. */
  get patch(): ((path: string, patch: object) => Promise<void>) | undefined {
    const kube = this.#kube;
    return kube === undefined ? undefined : (path, patch) => kube.source.patch(path, patch);
  }

  /** What keeps the node in etcd; undefined where nothing does. */
  get registration(): NodeRegistration | undefined {
    return this.#registration;
  }

  /** Why the objects are not there yet; undefined when they are. */
  notReady(): string | undefined {
    if (this.store.isComplete) return undefined;
    const status = (this.#kube ?? this.#etcd)?.source.status;
    const reason = status?.lastError ?? 'no answer yet';
    return `the objects of the cluster are not known yet: ${reason}`;
  }

  /** Follows from now on what DNS needs, and no more than that. */
  serve({ pods, imports }: DnsNeeds): void {
    this.#kube?.source.want({ pods: pods ? 'all' : 'none', imports });
  }

  /** Ends everything, once what is known is saved. */
  async stop(): Promise<void> {
    await this.#kube?.save();
    await this.#etcd?.save();
    this.#opened.dispose();
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
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
    this.#registration = this.#opened.use(registration);
    this.#opened.use(this.#health.probe('node-not-registered', () => problem));
    registration.start();
  }

  #openManifests(directory: string): void {
    const part = this.store.part();
    const source: ManifestSource = new ManifestSource(directory, part, {
      onError: (error) => {
        this.#metrics.manifestErrors(source.errors.length);
        this.#log.error(
          { error: error.message },
          'manifest refused; the last good state stays in force',
        );
      },
      onRecovered: () => {
        this.#metrics.manifestErrors(0);
        this.#log.info('manifests are well again');
      },
    });
    this.#opened.use(source);
    source.start();
    this.#manifests = () => manifestsStatus(directory, part.size, source.errors);
    const errors = () => new Map(source.errors.map((error) => [error, error]));
    this.#opened.use(this.#health.probe('objects-refused', errors));
    this.#log.info({ objects: this.store.size, manifests: directory }, 'manifests read');
  }
}

/** Tells one etcd from another, however its members are listed. */
function originOf({ endpoints }: EtcdAccess, prefix: string): string {
  const members = endpoints.map(({ origin }) => origin).sort((a, b) => (a < b ? -1 : 1));
  return `etcd ${members.join(',')} ${prefix}`;
}
