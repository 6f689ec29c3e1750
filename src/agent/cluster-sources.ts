import type { Worker, WorkerOptions } from 'node:worker_threads';
import type { Access } from '../cluster/kube/access.ts';
import { KubeSource } from '../cluster/kube/source.ts';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import type { DnsNeeds } from './dns.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';
import { ServerFollower } from './server-follower.ts';
import { manifestsStatus } from './status/report.ts';
import type { SourceStatus } from './status/status.ts';

/** Where the cluster's objects come from; at least one of them. */
export interface SourceOptions {
  /** Directory of Kubernetes YAML. Its objects go before those of the API server. */
  readonly manifests?: string;
  /** A Kubernetes API server. */
  readonly kube?: Access;
  /** The file in which what it said last is kept, for a start without it. */
  readonly savedState?: string;
  /** Starts the thread that decodes large lists, where it is not in the source tree. */
  readonly spawnDecoder?: ((options: WorkerOptions) => Worker) | undefined;
}

/** Who asks an API server. */
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

  /** Opens the sources. Throws when the manifests can't be read; an API server may be away. */
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
    const { kube: access, savedState, spawnDecoder } = options;
    if (access === undefined) return;
    const wanted = { ...about, pods: 'none', imports: false } as const;
    const follower = new ServerFollower(
      this.store,
      {
        name: 'the API server',
        origin: access.server.origin,
        open: (part, events) => new KubeSource(part, { access, ...wanted, spawnDecoder }, events),
        savedState,
        metrics: metrics.kube,
      },
      log,
      health,
    );
    this.#kube = this.#opened.use(follower);
  }

  /** How the directory of manifests is doing, where there is one. */
  manifests(): readonly SourceStatus[] {
    return this.#manifests === undefined ? [] : [this.#manifests()];
  }

  /** Why the objects are not there yet; undefined when they are. */
  notReady(): string | undefined {
    if (this.store.isComplete) return undefined;
    const reason = this.#kube?.source.status.lastError ?? 'no answer yet';
    return `the objects of the cluster are not known yet: ${reason}`;
  }

  /** Follows from now on what DNS needs, and no more than that. */
  serve({ pods, imports }: DnsNeeds): void {
    this.#kube?.source.want({ pods: pods ? 'all' : 'none', imports });
  }

  /** Ends everything, once what is known is saved. */
  async stop(): Promise<void> {
    await this.#kube?.save();
    this.#opened.dispose();
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
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
