import { type FSWatcher, watch } from 'node:fs';

/** Several events come for one save; they are waited out. */
const SETTLE_MS = 20;
/** A look without an event, for file systems that send none. */
const RESCAN_MS = 5_000;

/**
 * Has a directory looked at whenever something in it may have changed: a file that is written or renamed
 * over, or the link by which a mounted ConfigMap is exchanged.
 */
export class DirectoryWatch implements Disposable {
  readonly #path: string;
  readonly #look: () => boolean;
  readonly #rescan: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;

  /** `look` gives whether the directory is there; one that is not is watched again when it is. */
  constructor(path: string, look: () => boolean) {
    this.#path = path;
    this.#look = look;
    this.#watch();
    this.#rescan = setInterval(() => this.#run(), RESCAN_MS);
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    clearTimeout(this.#settling);
    clearInterval(this.#rescan);
  }

  #run(): void {
    if (!this.#look()) this.#unwatch();
    else if (this.#watcher === undefined) this.#watch();
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#path, () => {
        clearTimeout(this.#settling);
        this.#settling = setTimeout(() => this.#run(), SETTLE_MS);
      });
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // Without events the regular look finds changes, and tries to watch again.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
