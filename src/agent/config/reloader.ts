import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DirectoryWatch } from '../../cluster/manifests/directory-watch.ts';
import type { AgentConfig } from './agent-config.ts';
import { type Changes, changesBetween } from './changes.ts';
import type { OptionName } from './definitions.ts';
import type { ReloadStatus } from './reload-status.ts';

/** What a Reloader calls. */
export interface ReloaderOptions {
  /** Reads the configuration as it is now. Throws when it is wrong. */
  read(): AgentConfig;
  /** Puts in force what is live. Rejects when that can't be; then nothing has changed. */
  apply(changes: Changes): Promise<void>;
  onApplied(names: readonly OptionName[]): void;
  /** The configuration is wrong, or can't be put in force; called once for each new message. */
  onRefused(problem: string): void;
  /** The file is in force again, which it was not. */
  onRecovered(): void;
  /** Called whenever these are others than before. */
  onRestartNeeded(names: readonly OptionName[]): void;
}

/**
 * Keeps an agent at what its configuration says: compares what it runs with with what would be read now,
 * whenever a file or a link beside it may have changed, and when it is asked to.
 */
export class Reloader implements Disposable {
  readonly status: ReloadStatus;
  readonly #options: ReloaderOptions;
  #running: AgentConfig;
  readonly #watches = new Map<string, DirectoryWatch>();
  /** One look after the other. */
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** `running` is what is in force. */
  constructor(running: AgentConfig, status: ReloadStatus, options: ReloaderOptions) {
    this.#running = running;
    this.status = status;
    this.#options = options;
    this.#watch(running);
  }

  /** Looks now. Resolves when what is said is in force, or was refused. */
  async reload(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    await this.#looking;
  }

  /** Ends it. Resolves when a change that is being put in force is, or was refused. */
  async close(): Promise<void> {
    this[Symbol.dispose]();
    await this.#looking;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#watches.clear();
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const { status } = this;
    const options = this.#options;
    try {
      const next = options.read();
      this.#watch(next);
      const changes = changesBetween(this.#running, next);
      if (changes.live.length > 0) {
        await options.apply(changes);
        this.#running = changes.config;
        options.onApplied(changes.live);
      }
      if (changes.restart.join() !== status.restart.join()) {
        status.restart = changes.restart;
        options.onRestartNeeded(changes.restart);
      }
      if (status.problem !== undefined) options.onRecovered();
      if (status.problem !== undefined || changes.live.length > 0) status.successMs = Date.now();
      status.problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== status.problem) options.onRefused(message);
      status.problem = message;
    }
  }

  /** Watches the directories of the files, and of those alone. */
  #watch({ files }: AgentConfig): void {
    const directories = new Set(files.map(({ file }) => dirname(file)));
    for (const [directory, watch] of this.#watches) {
      if (directories.has(directory)) continue;
      watch[Symbol.dispose]();
      this.#watches.delete(directory);
    }
    for (const directory of directories) {
      if (this.#watches.has(directory)) continue;
      const look = (): boolean => {
        void this.reload();
        return existsSync(directory);
      };
      this.#watches.set(directory, new DirectoryWatch(directory, look));
    }
  }
}
