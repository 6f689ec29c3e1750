/**
 * The root of every error podwire raises on purpose. `code` is stable and may be matched by
 * programs; the message is for people and may change. Subclasses carry data, not prose.
 */
export class PodwireError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Marks a place no value can reach; the compiler checks it, and running into it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
