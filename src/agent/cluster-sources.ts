import type { Access } from '../cluster/kube/access.ts';
import { KubeSource, type KubeStatus } from '../cluster/kube/source.ts';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import type { DnsNeeds } from './dns.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

/** Where the cluster's objects come from; at least one of them. */
export interface SourceOptions {
  /** Directory of Kubernetes YAML. Its objects go before those of the API server. */
  readonly manifests?: string;
  /** A Kubernetes API server. */
  readonly kube?: Access;
}

/** Who asks an API server. */
export interface AboutNode {
  readonly nodeName: string;
  readonly userAgent: string;
}

/** The store, and the sources that fill it. */
export class ClusterSources implements Disposable {
  readonly store = new Store();
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #opened = new DisposableStack();
  #kube: KubeSource | undefined;

  /** Opens the sources. Throws when the manifests can't be read; an API server may be away. */
  constructor(options: SourceOptions, about: AboutNode, log: Logger, metrics: AgentMetrics) {
    this.#log = log;
    this.#metrics = metrics;
    if (options.manifests !== undefined) this.#openManifests(options.manifests);
    if (options.kube !== undefined) this.#openKube(options.kube, about);
  }

  /** How the API server is doing, where there is one. */
  get kubeStatus(): KubeStatus | undefined {
    return this.#kube?.status;
  }

  /** Why the objects are not there yet; undefined when they are. */
  notReady(): string | undefined {
    if (this.store.isComplete) return undefined;
    const reason = this.kubeStatus?.lastError ?? 'no answer yet';
    return `the objects of the cluster are not known yet: ${reason}`;
  }

  /** Follows from now on what DNS needs, and no more than that. */
  serve({ pods, imports }: DnsNeeds): void {
    this.#kube?.want({ pods: pods ? 'all' : 'none', imports });
  }

  close(): void {
    this.#opened.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openManifests(directory: string): void {
    const source: ManifestSource = new ManifestSource(directory, this.store.part(), {
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
    this.#log.info({ objects: this.store.size, manifests: directory }, 'manifests read');
  }

  #openKube(access: Access, about: AboutNode): void {
    const server = access.server.origin;
    this.store.isComplete = false;
    const source: KubeSource = new KubeSource(
      this.store.part(),
      { ...about, access, pods: 'none', imports: false },
      {
        onSynced: () => {
          this.#log.info({ server, objects: source.status.objects }, 'the API server was read');
          this.store.isComplete = true;
        },
        onError: (error) => {
          this.#metrics.kubeError();
          this.#log.error({ error }, 'API server; the last good state stays in force');
        },
        onRecovered: () => this.#log.info({ server }, 'the API server is well again'),
      },
    );
    this.#kube = this.#opened.use(source);
    this.#metrics.kube = () => source.status;
    source.start();
  }
}
