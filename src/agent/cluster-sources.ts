import type { Access } from '../cluster/kube/access.ts';
import { KubeSource, type KubeStatus } from '../cluster/kube/source.ts';
import { ManifestSource } from '../cluster/manifests/source.ts';
import { Store } from '../cluster/store.ts';
import type { Logger } from './log.ts';
import type { AgentMetrics } from './metrics.ts';

/** Where the cluster's objects come from; at least one of them. */
export interface SourceOptions {
  /** Directory of Kubernetes YAML. Its objects go before those of the API server. */
  readonly manifests?: string;
  /** A Kubernetes API server. */
  readonly kube?: Access;
}

/** What is asked of an API server beside Services. */
export interface SourceNeeds {
  readonly nodeName: string;
  readonly pods: 'none' | 'own' | 'all';
  readonly userAgent: string;
}

/** The store, and the sources that fill it. */
export class ClusterSources implements Disposable {
  readonly store = new Store();
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #opened = new DisposableStack();
  readonly #onLoaded: (() => void)[] = [];
  #kube: KubeSource | undefined;
  #isLoaded = false;

  /** Opens the sources. Throws when the manifests can't be read; an API server may be away. */
  constructor(options: SourceOptions, needs: SourceNeeds, log: Logger, metrics: AgentMetrics) {
    this.#log = log;
    this.#metrics = metrics;
    if (options.manifests !== undefined) this.#openManifests(options.manifests);
    if (options.kube === undefined) this.#loaded();
    else this.#openKube(options.kube, needs);
  }

  /** Whether the store has all there is, so that what it lacks is known not to exist. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** How the API server is doing, where there is one. */
  get kubeStatus(): KubeStatus | undefined {
    return this.#kube?.status;
  }

  /** Why the objects are not there yet; undefined when they are. */
  notReady(): string | undefined {
    if (this.#isLoaded) return undefined;
    const reason = this.kubeStatus?.lastError ?? 'no answer yet';
    return `the objects of the cluster are not known yet: ${reason}`;
  }

  /** Calls `listener` once the store has all there is, which may be now. */
  whenLoaded(listener: () => void): void {
    if (this.#isLoaded) listener();
    else this.#onLoaded.push(listener);
  }

  close(): void {
    this.#onLoaded.length = 0;
    this.#opened.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #loaded(): void {
    this.#isLoaded = true;
    for (const listener of this.#onLoaded.splice(0)) listener();
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

  #openKube(access: Access, { nodeName, pods, userAgent }: SourceNeeds): void {
    const server = access.server.origin;
    const source: KubeSource = new KubeSource(
      this.store.part(),
      { access, nodeName, pods, userAgent, imports: false },
      {
        onSynced: () => {
          this.#log.info({ server, objects: source.status.objects }, 'the API server was read');
          this.#loaded();
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
