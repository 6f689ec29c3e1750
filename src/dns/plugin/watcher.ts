import type { CorefileSource, ParseOptions } from '../corefile/parse.ts';
import { readCorefile } from '../corefile/parse.ts';
import { type Configuration, configure } from './configure.ts';
import type { Metrics } from './metrics.ts';
import type { DnsLog } from './plugin.ts';
import type { ReloadConfig } from './reload/config.ts';
import { configurationHash } from './runtime.ts';

/** How a Corefile is followed. */
export interface WatcherOptions {
  readonly source: CorefileSource;
  readonly parse: ParseOptions;
  readonly log: DnsLog;
  readonly metrics: Metrics;
  /** Puts a new configuration in force; a rejection leaves the old one. */
  readonly apply: (configuration: Configuration) => Promise<void>;
}

/** Looks again and again whether a Corefile has changed, when it says `reload`. */
export class CorefileWatcher {
  readonly #options: WatcherOptions;
  #source: CorefileSource;
  #hash: string;
  /** What was wrong when it was last looked at. */
  #refused = '';
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<boolean> = Promise.resolve(false);
  #isClosed = false;

  /** `configuration` is what is in force. */
  constructor(configuration: Configuration, options: WatcherOptions) {
    this.#options = options;
    this.#source = options.source;
    this.#hash = configurationHash(configuration);
    this.#schedule(configuration);
  }

  /** What was wrong when it was last looked at; undefined for nothing. */
  get refused(): string | undefined {
    return this.#refused === '' ? undefined : this.#refused;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Looks now. Gives whether a new configuration was put in force. */
  async check(): Promise<boolean> {
    // One look after the other, or two would take the same change over.
    const before = this.#looking;
    this.#looking = before.then(() => this.#check());
    return await this.#looking;
  }

  /** Follows another Corefile from now on. Rejects when that is wrong; then it follows this one. */
  async follow(source: CorefileSource): Promise<void> {
    const before = this.#looking;
    const taken = before.then(async () => {
      const isNew = await this.#takeOver(source);
      this.#source = source;
      return isNew;
    });
    this.#looking = taken.catch(() => false);
    await taken;
  }

  async #check(): Promise<boolean> {
    const { log, metrics } = this.#options;
    const { path } = this.#source;
    try {
      return await this.#takeOver(this.#source);
    } catch (error) {
      const { message } = error as Error;
      // Said once for each fault, however often it is looked at.
      if (message !== this.#refused) {
        this.#refused = message;
        metrics.count('coredns_reload_failed_total');
        log.error(
          { corefile: path, error: message },
          'Corefile refused; the last good one stays in force',
        );
      }
      return false;
    }
  }

  /** Gives whether what it says is new. Rejects when it is wrong. */
  async #takeOver(source: CorefileSource): Promise<boolean> {
    const { parse, log, apply } = this.#options;
    const configuration = configure(readCorefile(source, parse));
    const hash = configurationHash(configuration);
    if (hash !== this.#hash) {
      await apply(configuration);
      log.info({ corefile: source.path, hash: hash.slice(0, 16) }, 'Corefile taken over');
      this.#schedule(configuration);
    }
    const isNew = hash !== this.#hash;
    this.#hash = hash;
    this.#refused = '';
    return isNew;
  }

  #schedule(configuration: Configuration): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const configs = configuration.blocks.flatMap(({ plugins }) =>
      plugins.flatMap(({ name, config }) => (name === 'reload' ? [config as ReloadConfig] : [])),
    );
    const [config] = configs;
    if (config === undefined || this.#isClosed) return;
    const { intervalMs, jitterMs } = config;
    const delayMs = intervalMs + (Math.random() * 2 - 1) * jitterMs;
    const run = async (): Promise<void> => {
      const own = this.#timer;
      await this.check();
      // What was taken over meanwhile, by whomever, has set the next time itself.
      if (this.#timer !== own || this.#isClosed) return;
      this.#timer = setTimeout(() => void run(), delayMs).unref();
    };
    this.#timer = setTimeout(() => void run(), delayMs).unref();
  }
}
