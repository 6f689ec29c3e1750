import { check, libc } from './libc.ts';

/** An open file descriptor that closes once, by `close()` or at the end of a `using` block. */
export class Fd implements Disposable {
  #number: number;
  readonly #what: string;

  /** Takes ownership of `number`; `what` names it in errors. */
  constructor(number: number, what: string) {
    this.#number = number;
    this.#what = what;
  }

  /** The descriptor's number. Throws once it is closed, so that a reused number is never hit. */
  get number(): number {
    if (this.#number < 0) throw new Error(`${this.#what} is closed`);
    return this.#number;
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    check('close', libc.close(number), this.#what);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** socket(2) with SOCK_CLOEXEC, so that no child process inherits it. */
export function openSocket(family: number, type: number, protocol: number, what: string): Fd {
  const SOCK_CLOEXEC = 0o2000000;
  return new Fd(check('socket', libc.socket(family, type | SOCK_CLOEXEC, protocol), what), what);
}

/** setsockopt(2) with an int value. Gives false instead of throwing when the kernel refuses. */
export function trySetOption(fd: Fd, level: number, option: number, value: number): boolean {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return libc.setsockopt(fd.number, level, option, bytes, bytes.length) === 0;
}

/** setsockopt(2) with an int value; throws SysError when the kernel refuses. */
export function setOption(fd: Fd, level: number, option: number, value: number): void {
  const ok = trySetOption(fd, level, option, value);
  if (!ok) check('setsockopt', -1, `level ${level}, option ${option}, value ${value}`);
}

const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;

/** Bounds every blocking receive on the socket; it then fails with EAGAIN (socket(7)). */
export function setReceiveTimeout(fd: Fd, timeoutMs: number): void {
  const timeval = new Uint8Array(16);
  const view = new DataView(timeval.buffer);
  view.setBigInt64(0, BigInt(Math.floor(timeoutMs / 1000)), true);
  view.setBigInt64(8, BigInt((timeoutMs % 1000) * 1000), true);
  const result = libc.setsockopt(fd.number, SOL_SOCKET, SO_RCVTIMEO, timeval, timeval.length);
  check('setsockopt', result, `SO_RCVTIMEO, ${timeoutMs} ms`);
}
