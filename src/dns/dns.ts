import type { ClusterZone } from './cluster-zone.ts';
import { FollowedZone, type Publication, type ZoneSource } from './followed-zone.ts';
import { Routes } from './server/routes.ts';
import { DnsServer, type DnsServerOptions } from './server/server.ts';
import type { KubernetesZoneOptions } from './zone/options.ts';

/** What the cluster DNS is started with. */
export interface ClusterDnsOptions extends Omit<DnsServerOptions, 'routes'> {
  readonly zone: KubernetesZoneOptions;
  /** By default all names are the zone's. */
  readonly routes?: (own: Routes) => Routes;
  /** Address space for the table, by default TABLE_BYTES_MAX. */
  readonly tableBytes?: number;
  readonly onPublish?: (publication: Publication) => void;
}

/** A server and what CoreDNS would call it. */
export interface NamedServer {
  /** Such as `dns://:53`. */
  readonly label: string;
  readonly server: DnsServer;
}

/** A DNS server that answers for one zone from the Services of a store, and for nothing else. */
export class ClusterDns {
  readonly server: DnsServer;
  readonly #followed: FollowedZone;

  private constructor(server: DnsServer, followed: FollowedZone) {
    this.server = server;
    this.#followed = followed;
  }

  /** Takes over what the store has and starts to listen. Rejects when it can't listen. */
  static async start(store: ZoneSource, options: ClusterDnsOptions): Promise<ClusterDns> {
    const followed = new FollowedZone(store, options);
    try {
      const own = Routes.of(followed.zone.table);
      const routes = options.routes?.(own) ?? own;
      return new ClusterDns(await DnsServer.start({ ...options, routes }), followed);
    } catch (error) {
      followed[Symbol.dispose]();
      throw error;
    }
  }

  get servers(): readonly NamedServer[] {
    return [{ label: `dns://:${this.server.port}`, server: this.server }];
  }

  get zone(): ClusterZone {
    return this.#followed.zone;
  }

  async stop(): Promise<void> {
    this.#followed[Symbol.dispose]();
    await this.server.stop();
  }
}
