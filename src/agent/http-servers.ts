import type { HealthRegistry } from './health/registry.ts';
import { HttpServer, type Routes } from './http.ts';
import type { BindAddress } from './kube-proxy/bind-address.ts';
import type { Logger } from './log.ts';

/** What is asked where: kube-proxy's two addresses. */
export type HttpPurpose = 'healthz' | 'metrics';

/** Where each is served; undefined: nowhere. */
export type HttpAddresses = Readonly<Record<HttpPurpose, BindAddress | undefined>>;

interface Serving {
  readonly address: BindAddress;
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
  readonly #routes: Readonly<Record<HttpPurpose, Routes>>;
  readonly #log: Logger;
  readonly #health: HealthRegistry;
  readonly #serving = new Map<HttpPurpose, Serving>();

  constructor(
    routes: Readonly<Record<HttpPurpose, Routes>>,
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

  /** Begins to serve. With `hardFail` it rejects where a port is taken; else that is tried again. */
  async start(addresses: HttpAddresses, hardFail: boolean): Promise<void> {
    for (const [purpose, address] of entriesOf(addresses)) {
      if (address === undefined) continue;
      const server = await this.#open(purpose, address, hardFail);
      this.#serving.set(purpose, { address, server });
    }
  }

  /**
   * Listens where it does not yet. Rejects where somebody else has a port. One that another of ours has
   * is taken over in `commit`.
   */
  async prepare(addresses: HttpAddresses): Promise<PreparedHttp> {
    const opened = new Map<HttpPurpose, Serving>();
    const inPlace: (readonly [HttpPurpose, BindAddress])[] = [];
    const discard = (): void => {
      for (const { server } of opened.values()) server.close();
    };
    try {
      for (const [purpose, address] of entriesOf(addresses)) {
        const now = this.#serving.get(purpose)?.address;
        if (address === undefined || isSame(now, address)) continue;
        if (this.#hasPort(address.port)) inPlace.push([purpose, address]);
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

  #hasPort(port: number): boolean {
    return [...this.#serving.values()].some(({ address }) => address.port === port);
  }

  async #open(purpose: HttpPurpose, address: BindAddress, hardFail: boolean): Promise<HttpServer> {
    return await HttpServer.open(address, this.#routes[purpose], {
      hardFail,
      onListening: () => this.#report(address, undefined),
      onError: (error) => {
        this.#report(address, error.message);
        const text = 'can not serve HTTP; trying again';
        this.#log.error({ address, error: error.message }, text);
      },
    });
  }

  #report({ host, port }: BindAddress, text: string | undefined): void {
    this.#health.reportOne('listen-failed', `${host}:${port}`, text);
  }
}

function entriesOf({ healthz, metrics }: HttpAddresses): [HttpPurpose, BindAddress | undefined][] {
  return [
    ['healthz', healthz],
    ['metrics', metrics],
  ];
}

function isSame(a: BindAddress | undefined, b: BindAddress | undefined): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}
