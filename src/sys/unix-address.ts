import { PodwireError } from '../errors.ts';

/** AF_UNIX (linux/socket.h). */
export const AF_UNIX = 1;

const PATH_BYTES_MAX = 107; // sun_path less its NUL, unix(7)

/** A path that does not fit a Unix socket's address, or that names no absolute place. */
export class UnixPathError extends PodwireError {
  constructor(path: string) {
    super(
      'ERR_UNIX_PATH',
      `Unix socket "${path}": expected an absolute path, or @ and a name, of at most ${PATH_BYTES_MAX} bytes`,
    );
  }
}

/** struct sockaddr_un of a path, or of an abstract name, which is written with @ before it. */
export function unixAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  if (!/^[/@]./.test(path) || name.length > PATH_BYTES_MAX) throw new UnixPathError(path);
  const isAbstract = path.startsWith('@');
  // The NUL ends a path; an abstract name begins with one instead, and its length is what ends it.
  const address = new Uint8Array(new ArrayBuffer(2 + name.length + (isAbstract ? 0 : 1)));
  address[0] = AF_UNIX;
  address.set(name, 2);
  if (isAbstract) address[2] = 0;
  return address;
}
