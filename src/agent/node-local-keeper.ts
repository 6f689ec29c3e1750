import { NodeLocal, type NodeLocalOptions } from '../dns/node-local/node-local.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { Logger } from './log.ts';

/** Somebody may flush the rules, or take the link away: then DNS is a Service again for so long. */
const SYNC_INTERVAL_MS = 10_000;

/** Has the node answer DNS on addresses, and looks now and then that it still does. */
export class NodeLocalKeeper {
  readonly #nodeLocal: NodeLocal;
  readonly #timer: NodeJS.Timeout;

  /** Takes the addresses over. Throws NetlinkError. */
  constructor(options: NodeLocalOptions, log: Logger, health: HealthRegistry) {
    this.#nodeLocal = NodeLocal.takeOver(options);
    this.#timer = setInterval(() => {
      try {
        this.#nodeLocal.sync();
        health.report('dns-addresses-lost', undefined);
      } catch (error) {
        health.report('dns-addresses-lost', (error as Error).message);
        log.error({ error: String(error) }, 'DNS addresses of the node; trying again');
      }
    }, SYNC_INTERVAL_MS);
  }

  /** See NodeLocal.giveBack. */
  async giveBack(stopServer: () => Promise<void>): Promise<void> {
    clearInterval(this.#timer);
    await this.#nodeLocal.giveBack(stopServer);
  }
}
