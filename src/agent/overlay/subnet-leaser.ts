import type { Store } from '../../cluster/store.ts';
import { SubnetPool } from '../../ipaddr/pool/subnet-pool.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import type { HealthRegistry } from '../health/registry.ts';
import type { Logger } from '../log.ts';
import { savedSubnets } from './network-files.ts';
import type { OverlaySettings } from './settings.ts';

/** So many nodes at once may want the same subnet; more than that is not chance. */
const ATTEMPTS_MAX = 100;
/** Before what failed is tried again; doubled each time. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
/** The set of names that subnets are claimed in. */
const SET = 'subnets';

/** The node's registration, as far as subnets need it. */
export interface SubnetRegistration {
  claim(set: string, name: string): Promise<{ readonly isOurs: boolean }>;
  update(facts: { readonly podCIDRs: readonly string[] }): Promise<void>;
}

/** What a leaser is made with. */
export interface SubnetLeaserOptions {
  readonly store: Store;
  readonly nodeName: string;
  readonly settings: OverlaySettings;
  readonly registration: SubnetRegistration;
  readonly log: Logger;
  readonly health: HealthRegistry;
}

/**
 * Gets the node a subnet of each of the cluster's networks, for as long as it is registered: the one it
 * had before where that is free, else the lowest that nobody has. Claiming one is atomic, so that two nodes
 * never get the same.
 */
export class SubnetLeaser implements Disposable {
  readonly #options: SubnetLeaserOptions;
  readonly #opened = new DisposableStack();
  #timer: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #isBusy = false;
  /** Somebody asked while it was busy. */
  #isDue = false;
  #isClosed = false;
  #problem: string | undefined = 'not asked yet';
  /** What it has, or had before the agent started. */
  #held: readonly Prefix[];

  constructor(options: SubnetLeaserOptions) {
    this.#options = options;
    const { store, settings, health } = options;
    this.#held = savedSubnets(settings);
    this.#opened.use(health.probe('subnet-not-leased', () => this.#problem));
    // Who else has what is known only then.
    this.#opened.defer(
      store.subscribe(() => {
        if (this.#problem !== undefined && this.#timer === undefined) this.renew();
      }),
    );
    this.renew();
  }

  /** Claims what the node has again; to be called when its registration began anew. */
  renew(): void {
    this.#isDue = true;
    if (!this.#isBusy && !this.#isClosed) void this.#run();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#opened.dispose();
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    while (this.#isDue && !this.#isClosed && this.#options.store.isComplete) {
      this.#isDue = false;
      await this.#lease();
    }
    this.#isBusy = false;
  }

  async #lease(): Promise<void> {
    const { registration, settings, log } = this.#options;
    try {
      const subnets: Prefix[] = [];
      for (const network of settings.network) subnets.push(await this.#claim(network));
      const podCIDRs = subnets.map(String);
      await registration.update({ podCIDRs });
      if (podCIDRs.join() !== this.#held.join()) log.info({ podCIDRs }, 'subnets leased');
      this.#held = subnets;
      this.#problem = undefined;
      this.#retryMs = RETRY_MIN_MS;
    } catch (error) {
      if (this.#isClosed) return;
      const problem = (error as Error).message;
      if (problem !== this.#problem) log.error({ error: problem }, 'no subnet; trying again');
      this.#problem = problem;
      // One that a new registration came before may still be set.
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.renew();
      }, this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
  }

  async #claim(network: Prefix): Promise<Prefix> {
    const { registration, settings } = this.#options;
    const { family } = network.addr;
    const bits = settings.nodeMaskBits[family];
    const pool = SubnetPool.of({ prefixes: [network], bits, exclude: this.#others(family) });
    const before = this.#held.find((each) => network.covers(each) && pool.allocate(each));
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const wanted = attempt === 0 && before !== undefined ? before : pool.allocateLowest();
      if (wanted === undefined) throw new Error(`no subnet of ${bits} bits is free in ${network}`);
      const { isOurs } = await registration.claim(SET, `${wanted.addr}-${bits}`);
      if (isOurs) return wanted;
    }
    throw new Error(`others were first for ${ATTEMPTS_MAX} subnets of ${network}`);
  }

  /** What other nodes have. */
  #others(family: 4 | 6): Prefix[] {
    const { store, nodeName } = this.#options;
    return [...store.nodes.values()]
      .filter(({ metadata }) => metadata.name !== nodeName)
      .flatMap(({ podCIDRs }) => podCIDRs.flatMap((text) => tryParsePrefix(text) ?? []))
      .filter(({ addr }) => addr.family === family);
  }
}
