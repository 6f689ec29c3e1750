import { adminPlace } from './admin/socket.ts';
import type { HealthRegistry } from './health/registry.ts';
import { HttpServer, type Routes, tcpPlace } from './http.ts';
import type { BindAddress } from './kube-proxy/bind-address.ts';
import type { Logger } from './log.ts';

/** Where what is asked is served; undefined: nowhere. */
export interface HttpAddresses {
  /** kube-proxy's two addresses. */
  readonly healthz: BindAddress | undefined;
  readonly metrics: BindAddress | undefined;
  /** The path of a Unix socket. */
  readonly admin: string | undefined;
}

type Purpose = keyof HttpAddresses;

interface Serving {
  readonly address: BindAddress | string;
  readonly server: HttpServer;
}

/** Servers on other addresses, which wait to take the place of those there are. */
export interface PreparedHttp {
  /** Takes the place. Resolves when all of them listen, or will try again. */
  commit(): Promise<void>;
  discard(): void;
}

/** The agent's HTTP servers, which may move to other addresses while they serve. */
export class HttpServers implements Disposable {
  readonly #routes: Readonly<Record<Purpose, Routes>>;
  readonly #log: Logger;
  readonly #health: HealthRegistry;
  readonly #serving = new Map<Purpose, Serving>();

  constructor(
    routes: Readonly<Record<Purpose, Routes>>,
    { log, health }: { readonly log: Logger; readonly health: HealthRegistry },
  ) {
    this.#routes = routes;
    this.#log = log;
    this.#health = health;
  }

  /** Where they listen. */
  get addresses(): HttpServer['address'][] {
    return [...this.#serving.values()].map(({ server }) => server.address);
  }

  /** Begins to serve. With `hardFail` it rejects where a port is taken; all else is tried again. */
  async start(addresses: HttpAddresses, hardFail: boolean): Promise<void> {
    for (const [purpose, address] of entriesOf(addresses)) {
      if (address === undefined) continue;
      const isPort = typeof address !== 'string';
      const server = await this.#open(purpose, address, hardFail && isPort);
      this.#serving.set(purpose, { address, server });
    }
  }

  /**
   * Listens where it does not yet. Rejects where somebody else has a port. One that another of ours has
   * is taken over in `commit`.
   */
  async prepare(addresses: HttpAddresses): Promise<PreparedHttp> {
    const opened = new Map<Purpose, Serving>();
    const inPlace: (readonly [Purpose, BindAddress | string])[] = [];
    const discard = (): void => {
      for (const { server } of opened.values()) server.close();
    };
    try {
      for (const [purpose, address] of entriesOf(addresses)) {
        const now = this.#serving.get(purpose)?.address;
        if (address === undefined || isSame(now, address)) continue;
        if (this.#hasPort(address)) inPlace.push([purpose, address]);
        else opened.set(purpose, { address, server: await this.#open(purpose, address, true) });
      }
    } catch (error) {
      discard();
      throw error;
    }
    const commit = async (): Promise<void> => {
      for (const [purpose, address] of entriesOf(addresses)) {
        const serving = this.#serving.get(purpose);
        if (serving === undefined || isSame(serving.address, address)) continue;
        this.#serving.delete(purpose);
        serving.server.retire();
        this.#report(serving.address, undefined);
      }
      for (const [purpose, serving] of opened) this.#serving.set(purpose, serving);
      for (const [purpose, address] of inPlace) {
        this.#serving.set(purpose, { address, server: await this.#open(purpose, address, false) });
      }
    };
    return { commit, discard };
  }

  [Symbol.dispose](): void {
    for (const { server } of this.#serving.values()) server.close();
    this.#serving.clear();
  }

  #hasPort(wanted: BindAddress | string): boolean {
    if (typeof wanted === 'string') return false;
    return [...this.#serving.values()].some(
      ({ address }) => typeof address !== 'string' && address.port === wanted.port,
    );
  }

  async #open(
    purpose: Purpose,
    address: BindAddress | string,
    hardFail: boolean,
  ): Promise<HttpServer> {
    const place = typeof address === 'string' ? adminPlace(address) : tcpPlace(address);
    return await HttpServer.open(place, this.#routes[purpose], {
      hardFail,
      onListening: () => this.#report(address, undefined),
      onError: ({ message: error }) => {
        this.#report(address, error);
        this.#log.error({ address: nameOf(address), error }, 'can not serve HTTP; trying again');
      },
    });
  }

  #report(address: BindAddress | string, text: string | undefined): void {
    this.#health.reportOne('listen-failed', nameOf(address), text);
  }
}

/** For people. */
function nameOf(address: BindAddress | string | undefined): string {
  if (address === undefined || typeof address === 'string') return address ?? '';
  return `${address.host}:${address.port}`;
}

function entriesOf({
  healthz,
  metrics,
  admin,
}: HttpAddresses): [Purpose, HttpAddresses[Purpose]][] {
  return [
    ['healthz', healthz],
    ['metrics', metrics],
    ['admin', admin],
  ];
}

function isSame(a: HttpAddresses[Purpose], b: HttpAddresses[Purpose]): boolean {
  return nameOf(a) === nameOf(b);
}
