import type { ClusterState, Store } from '../cluster/store.ts';
import { DnsServer, type DnsServerOptions } from './server/server.ts';
import { buildTable } from './table/build.ts';
import { planKubernetesZone } from './zone/kubernetes.ts';

/** Changes that come within this time of the first are published together. */
const SETTLE_MS = 5;

/** What the cluster DNS is started with. */
export interface ClusterDnsOptions extends DnsServerOptions {
  readonly clusterDomain: string;
  readonly ttlSeconds: number;
  /** After each publication, with how many names there are and how long it took. */
  readonly onPublish: (names: number, durationSeconds: number) => void;
}

/** Keeps a DNS server's answers equal to the Services of a store. */
export class ClusterDns {
  readonly server: DnsServer;
  readonly #options: ClusterDnsOptions;
  #unsubscribe: () => void = () => {};
  #settling: NodeJS.Timeout | undefined;

  private constructor(server: DnsServer, options: ClusterDnsOptions) {
    this.server = server;
    this.#options = options;
  }

  /** Starts to listen and publishes what the store has. Rejects when it can't listen. */
  static async start(store: Store, options: ClusterDnsOptions): Promise<ClusterDns> {
    const dns = new ClusterDns(await DnsServer.start(options), options);
    await dns.#publish(store);
    dns.#unsubscribe = store.subscribe((state) => {
      dns.#settling ??= setTimeout(() => {
        dns.#settling = undefined;
        void dns.#publish(state).catch(options.onFailure);
      }, SETTLE_MS);
    });
    return dns;
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    clearTimeout(this.#settling);
    await this.server.stop();
  }

  async #publish(state: ClusterState): Promise<void> {
    const start = performance.now();
    const { clusterDomain, ttlSeconds, onPublish } = this.#options;
    const serial = Math.floor(Date.now() / 1000);
    const zone = planKubernetesZone(state, { clusterDomain, ttlSeconds, serial });
    await this.server.publish(buildTable(zone, ttlSeconds));
    onPublish(zone.names().length, (performance.now() - start) / 1000);
  }
}
