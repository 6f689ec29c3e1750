import { createServer, type Server } from 'node:http';
import type { ClusterState, Store } from '../../cluster/store.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { type HealthCheck, healthCheckOf } from '../model/health-check.ts';
import type { ModelSettings } from '../model/settings.ts';
import type { NodeRules } from '../node.ts';

const HEADERS_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 100;
/** Services times addresses; there are some 2,700 node ports to choose from by default. */
const SERVERS_MAX = 8_192;
/** How soon a port that was taken is tried again. */
const RETRY_MS = 5_000;
const FAMILIES = [4, 6] as const;

/** What the servers need to know, and whom they tell. */
export interface ServiceHealthOptions {
  readonly settings: ModelSettings;
  /** Whether the kernel follows the Services; without that no Service is healthy here. */
  readonly isHealthy: () => boolean;
  /** A port can't be opened; it is tried again. */
  onError(check: HealthCheck, address: string, error: Error): void;
}

/** One port on one address. */
interface Listening {
  readonly server: Server;
  readonly family: 4 | 6;
  check: HealthCheck;
}

/**
 * The HTTP servers of Services' healthCheckNodePorts, by which a load balancer finds nodes that have
 * endpoints (pkg/proxy/healthcheck/service_health.go): one for each Service and address that node ports
 * are served on. Any path is answered.
 */
export class ServiceHealth implements Disposable {
  readonly #options: ServiceHealthOptions;
  /** By `namespace/name`. */
  readonly #checks = new Map<string, HealthCheck>();
  /** By `address port namespace/name`. */
  readonly #servers = new Map<string, Listening>();
  /** By the same, what keeps one from listening now. */
  readonly #failures = new Map<string, string>();
  readonly #unsubscribe: () => void;
  #addrs: NodeRules['nodePortAddrs'] = [];
  #retry: NodeJS.Timeout | undefined;

  /** Follows the Services of a store; ports are opened and closed by `apply`. */
  constructor(store: Store, options: ServiceHealthOptions) {
    this.#options = options;
    this.#update(store, [...store.services.keys()]);
    this.#unsubscribe = store.subscribe((state, touched) => this.#update(state, touched));
  }

  /** After a sync: opens what is missing and closes what is no more. */
  apply({ nodePortAddrs }: Pick<NodeRules, 'nodePortAddrs'>): void {
    this.#addrs = nodePortAddrs;
    const wanted = new Map<string, Omit<Listening, 'server'>>();
    for (const [name, check] of this.#checks) {
      for (const family of FAMILIES) {
        if (check.localEndpoints[family] === undefined) continue;
        for (const address of addressesOf(nodePortAddrs, family)) {
          if (wanted.size >= SERVERS_MAX) break;
          wanted.set(`${address} ${check.port} ${name}`, { family, check });
        }
      }
    }
    for (const [key, { server }] of this.#servers) if (!wanted.has(key)) this.#close(key, server);
    for (const key of this.#failures.keys()) if (!wanted.has(key)) this.#failures.delete(key);
    for (const [key, { family, check }] of wanted) {
      const listening = this.#servers.get(key);
      if (listening !== undefined) listening.check = check;
      else this.#open(key, family, check);
    }
  }

  /** Why ports that are wanted can't be opened now, by `address port namespace/name`. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#retry);
    for (const [key, { server }] of this.#servers) this.#close(key, server);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #update(state: ClusterState, touched: readonly string[]): void {
    for (const key of touched) {
      const service = state.services.get(key);
      const check =
        // Nearly all Services have none, and need not have their slices looked up.
        service?.healthCheckNodePort === undefined
          ? undefined
          : healthCheckOf(
              service,
              state.slicesOf(service.metadata.namespace, service.metadata.name),
              this.#options.settings,
            );
      if (check === undefined) this.#checks.delete(key);
      else this.#checks.set(key, check);
    }
  }

  #open(key: string, family: 4 | 6, check: HealthCheck): void {
    const [address = ''] = key.split(' ');
    const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (_, response) => {
      const { status, headers, body } = answerOf(listening, this.#options.isHealthy());
      response.writeHead(status, headers);
      response.end(body);
    });
    const listening: Listening = { server, family, check };
    server.maxConnections = CONNECTIONS_MAX;
    this.#servers.set(key, listening);
    server.on('error', (error) => {
      if (this.#servers.get(key) !== listening) return;
      this.#servers.delete(key);
      this.#failures.set(key, error.message);
      this.#options.onError(listening.check, address, error);
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.apply({ nodePortAddrs: this.#addrs });
      }, RETRY_MS);
      this.#retry.unref();
    });
    server.once('listening', () => this.#failures.delete(key));
    server.listen({ host: address, port: check.port, ipv6Only: true });
  }

  #close(key: string, server: Server): void {
    this.#servers.delete(key);
    server.close();
    server.closeAllConnections();
  }
}

/** The addresses of a family to listen on. */
function addressesOf(addrs: NodeRules['nodePortAddrs'], family: 4 | 6): readonly string[] {
  if (addrs === 'all') return [family === 4 ? '0.0.0.0' : '::'];
  return addrs.filter((addr: Addr) => addr.family === family).map(String);
}

/** What a load balancer reads. */
function answerOf({ check, family }: Listening, isHealthy: boolean) {
  const { namespace, name, localEndpoints } = check;
  const count = localEndpoints[family] ?? 0;
  const report = {
    service: { namespace, name },
    localEndpoints: count,
    serviceProxyHealthy: isHealthy,
  };
  return {
    status: count > 0 && isHealthy ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(count),
    },
    body: JSON.stringify(report, undefined, '\t'),
  };
}
