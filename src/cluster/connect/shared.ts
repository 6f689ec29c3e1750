/** A way to a server that carries any number of requests. */
export interface SharedConnection extends Disposable {
  /** Whether it takes another request. */
  readonly isUsable: boolean;
}

/** One connection for all who ask, made when it is wanted, and again once it takes no more requests. */
export class Shared<C extends SharedConnection> implements Disposable {
  readonly #open: (isAgain: boolean) => Promise<C>;
  #current: Promise<C> | undefined;

  /** `open` is told whether it is in place of one that takes no more requests. */
  constructor(open: (isAgain: boolean) => Promise<C>) {
    this.#open = open;
  }

  /** Who comes while it is made waits for it. Rejects as `open` does. */
  async get(): Promise<C> {
    const current = this.#current;
    if (current !== undefined) {
      const connection = await current;
      if (connection.isUsable) return connection;
      // Somebody who waited, too, may have seen that first.
      if (this.#current !== current) return this.get();
    }
    const made = this.#open(current !== undefined);
    this.#current = made;
    made.catch(() => {
      if (this.#current === made) this.#current = undefined;
    });
    return made;
  }

  [Symbol.dispose](): void {
    this.#current?.then((connection) => connection[Symbol.dispose]()).catch(() => {});
    this.#current = undefined;
  }
}
